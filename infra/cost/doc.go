// Package cost prices the whole hub: the stages as they are deployed, on the local cloud, under real orders.
package cost
