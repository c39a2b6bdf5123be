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
	old := 0
	for old < len(s.order) && now.Sub(s.order[old].at) >= tokenLife {
		delete(s.known, s.order[old].text)
		old++
	}
	clear(s.order[:old])
	s.order = s.order[old:]
	if text == nil || s.known[*text] == nil {
		return false, nil
	}
	if s.known[*text].digest != digest {
		return false, &dispatch.Error{Status: http.StatusBadRequest, Code: "IdempotentParameterMismatchException",
			Message: "The request uses the same client token as a previous, but non-identical request."}
	}
	return true, nil
}

func (s *tokens) remember(text *string, digest [32]byte, now time.Time) {
	if text == nil {
		return
	}
	t := &token{*text, digest, now}
	s.known[*text] = t
	s.order = append(s.order, t)
}
