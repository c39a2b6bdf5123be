//go:build !unix

package store

import (
	"errors"
	"os"
)

// lock knows no lock here that ends with its process, and without one two processes could write into one file.
func lock(string) (*os.File, error) {
	return nil, errors.New("data is kept on Linux, macOS and other Unixes only")
}
