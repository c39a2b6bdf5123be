// Package matrix lets one thing go wrong at a time, everywhere: for each place from which a stage calls AWS or a system
// outside, each fault that such a call can meet, and a death of the function around it. All of it are tests.
package matrix
