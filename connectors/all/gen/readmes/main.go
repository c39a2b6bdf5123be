// Command readmes renews the generated parts of the connectors' READMEs.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"loophub/connectors/all"
)

func main() {
	if err := run(".."); err != nil {
		fmt.Fprintln(os.Stderr, "readmes:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	file := func(folder string) string { return filepath.Join(root, folder, "README.md") }
	fresh, err := all.Readmes(func(folder string) (string, error) {
		b, err := os.ReadFile(file(folder))
		return string(b), err
	})
	if err != nil {
		return err
	}
	for folder, text := range fresh {
		if err := os.WriteFile(file(folder), []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
	}
	return nil
}
