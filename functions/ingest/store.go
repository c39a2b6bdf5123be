package ingest

import (
	"context"
	"errors"
	"time"

	"loophub/shared/delivery"
	"loophub/shared/telemetry"
)

// The times that storing may take. Senders wait for 5 s (Shopify, KiotViet) and
// more; the usual put takes 5 ms.
const (
	attempts = 2
	patience = 400 * time.Millisecond // for one attempt at the Inbox
	last     = 2 * time.Second        // for the spill queue
	large    = 3 * time.Second        // for either, when the body goes to the overflow bucket first
)

// store puts a delivery into the Inbox, else into the spill queue; when both fail
// it is nowhere and the error says so. An attempt that timed out may have taken
// effect: then the next finds its own item, which is as good.
func (h *handling) store(ctx context.Context, s delivery.Sealed) (delivery.Key, error) {
	var inboxErr error
	for range attempts {
		key, outcome, err := h.attempt(ctx, s)
		if err == nil {
			h.line.Outcome = telemetry.Outcome(outcome)
			switch outcome {
			case delivery.Duplicate:
				h.count(telemetry.Duplicates)
			case delivery.Clash:
				h.count(telemetry.Clashes)
			}
			return key, nil
		}
		inboxErr = err
	}
	ctx, cancel := context.WithTimeout(ctx, limit(s, last))
	defer cancel()
	if err := h.Spill.Send(ctx, s); err != nil {
		return s.Key, errors.Join(inboxErr, err)
	}
	h.line.Outcome = spilled
	h.line.Err = inboxErr
	h.count(telemetry.Spilled)
	return s.Key, nil
}

func (h *handling) attempt(ctx context.Context, s delivery.Sealed) (delivery.Key, delivery.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, limit(s, patience))
	defer cancel()
	return h.Inbox.Put(ctx, s)
}

func limit(s delivery.Sealed, usual time.Duration) time.Duration {
	if len(s.Packed) > delivery.Inline {
		return large
	}
	return usual
}
