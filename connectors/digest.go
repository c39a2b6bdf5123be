package connector

import (
	"crypto/sha256"

	"loophub/events"
)

// Digest names bytes: 24 characters of their SHA-256.
func Digest(b []byte) string {
	d := sha256.Sum256(b)
	return events.Short(d[:])
}
