package message

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"loophub/events"
	"loophub/shared/contact"
	"loophub/shared/workspace"
)

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return events.Short(sum[:])
}

func integer(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// TestAddress tells whether test sends of a connection may go to an address.
func TestAddress(c workspace.Connection, address string) bool {
	for one := range strings.SplitSeq(c.Settings["test_addresses"], ",") {
		if clean, ok := contact.Email(strings.TrimSpace(one)); ok && clean == address {
			return true
		}
	}
	return false
}
