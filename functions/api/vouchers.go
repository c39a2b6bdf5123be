package api

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Vouchers are pools of codes.
type Vouchers interface {
	// Upload adds codes to a pool and counts those that are new.
	Upload(ctx context.Context, pool string, codes []string) (added int, err error)
	// CountCodes counts the codes that nobody has, and those that are given away.
	CountCodes(ctx context.Context, pool string) (available, used int, err error)
}

const (
	maxCodes  = 5_000     // of one upload
	maxUpload = 384 << 10 // bytes of it
)

var codePattern = regexp.MustCompile(`^[A-Z0-9][A-Z0-9_-]{0,63}$`)

// uploaded is what became of an upload.
type uploaded struct {
	Pool       string `json:"pool"`
	Added      int    `json:"added"`
	Duplicates int    `json:"duplicates"` // in the upload, in this pool or in another
}

// upload adds codes to a pool. Codes are written in capitals: shops take them in any.
func (h *handling) upload(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	if err := h.knownPool(); err != nil {
		return nil, err
	}
	var in struct{ Codes []string }
	if err := h.body(&in); err != nil {
		return nil, err
	}
	if len(in.Codes) == 0 || len(in.Codes) > maxCodes {
		return nil, badRequest("codes holds 1 to %d codes; send more of them in several calls", maxCodes)
	}
	codes := make([]string, len(in.Codes))
	for n, c := range in.Codes {
		if codes[n] = strings.ToUpper(strings.TrimSpace(c)); !codePattern.MatchString(codes[n]) {
			return nil, badRequest("code %d is none: a code has up to 64 letters of the English alphabet, digits, dashes and underscores", n+1)
		}
	}
	slices.Sort(codes)
	added, err := h.hub.Upload(ctx, h.args["pool"], slices.Compact(codes))
	if err != nil { // what was added stays, and is a duplicate when it comes again
		return nil, fmt.Errorf("adding codes: %w", err)
	}
	return uploaded{h.args["pool"], added, len(in.Codes) - added}, nil
}

// knownPool refuses pools that the definition does not have.
func (h *handling) knownPool() error {
	if _, ok := h.workspace.Vouchers[h.args["pool"]]; !ok {
		return notFound("there is no such pool in the workspace's definition; add it to vouchers")
	}
	return nil
}

type pool struct {
	Pool      string `json:"pool"`
	Available int    `json:"available"`
	Used      int    `json:"used"`
}

// pool counts a pool's codes.
func (h *handling) pool(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	if err := h.knownPool(); err != nil {
		return nil, err
	}
	available, used, err := h.hub.CountCodes(ctx, h.args["pool"])
	if err != nil {
		return nil, fmt.Errorf("counting codes: %w", err)
	}
	return pool{h.args["pool"], available, used}, nil
}
