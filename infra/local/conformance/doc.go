// Package conformance is one suite over any implementation of the services that the local cloud has: the local cloud
// itself in every run of its tests, by both doors, and DynamoDB Local, moto or AWS by `make referee`. See the README.
package conformance
