package dynamodb

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"loophub/infra/local/dispatch"
)

// tokenLife is how long a transaction's ClientRequestToken is remembered (API reference, TransactWriteItems, read
// 2026-11-22).
const (
	tokenLife = 10 * time.Minute
	maxToken  = 36
)

// tokens are the transactions that have happened, by ClientRequestToken, the oldest first in order.
type tokens struct {
	known map[string]*token
	order []*token
}

type token struct {
	text   string
	digest [32]byte
	at     time.Time
}

// digest identifies what a transaction asks for. It does not depend on the order of JSON members.
func (in *transactWriteInput) digest() (sum [32]byte, err error) {
	if in.ClientRequestToken == nil {
		return sum, nil
	}
	if n := len(*in.ClientRequestToken); n < 1 || n > maxToken {
		return sum, invalid("1 validation error detected: Value '" + *in.ClientRequestToken + "' at 'clientRequestToken' " +
			"failed to satisfy constraint: Member must have length less than or equal to 36")
	}
	text, err := json.Marshal(in.TransactItems)
	if err != nil {
		return sum, fmt.Errorf("encoding transaction: %w", err)
	}
	return sha256.Sum256(text), nil
}

// seen says whether the same transaction has happened within the last ten minutes, and refuses another one under the
// same token.
func (s *tokens) seen(text *string, digest [32]byte, now time.Time) (bool, error) {
	s.forget(now)
	if text == nil || s.known[*text] == nil {
		return false, nil
	}
	if s.known[*text].digest != digest {
		return false, &dispatch.Error{Status: http.StatusBadRequest, Code: "IdempotentParameterMismatchException",
			Message: "The request uses the same client token as a previous, but non-identical request."}
	}
	return true, nil
}

// forget drops the tokens that are too old.
func (s *tokens) forget(now time.Time) {
	old := 0
	for old < len(s.order) && now.Sub(s.order[old].at) >= tokenLife {
		if t := s.order[old]; s.known[t.text] == t {
			delete(s.known, t.text)
		}
		old++
	}
	clear(s.order[:old])
	s.order = s.order[old:]
}

// newToken is nil where a transaction has none.
func newToken(text *string, digest [32]byte, now time.Time) *token {
	if text == nil {
		return nil
	}
	return &token{*text, digest, now}
}

func (s *tokens) remember(t *token) {
	if t == nil {
		return
	}
	s.known[t.text] = t
	s.order = append(s.order, t)
}
