// Package expr reads and evaluates DynamoDB's expressions: condition, filter, key condition, update and projection
// (developer guide, "Using expressions in DynamoDB"). Errors are in AWS's words and of type
// *attr.Error.
package expr

import (
	"slices"
	"strconv"
	"strings"

	"loophub/infra/local/dynamodb/attr"
)

// Bindings are what the placeholders of one request's expressions stand for. They note which ones were used.
type Bindings struct {
	names  map[string]string
	values attr.Map
	used   map[string]bool
}

// Limits of placeholders and of the names behind them (developer guide, "Quotas", expression parameters and naming rules).
const (
	maxPlaceholder = 255
	maxName        = 1<<16 - 1
	tooLong        = "The expression attribute map contains a key that is too long; size of key: "
)

// Bind checks the placeholders of a request. A nil map is one that the request lacks.
func Bind(names map[string]string, values attr.Map) (*Bindings, error) {
	if names != nil && len(names) == 0 {
		return nil, refuse("ExpressionAttributeNames must not be empty")
	}
	if values != nil && len(values) == 0 {
		return nil, refuse("ExpressionAttributeValues must not be empty")
	}
	for _, key := range sortedKeys(names) {
		if !placeholder(key, '#') {
			return nil, refuse(`ExpressionAttributeNames contains invalid key: Syntax error; key: "` + key + `"`)
		}
		if len(key) > maxPlaceholder {
			return nil, refuse("ExpressionAttributeNames contains invalid key: " + tooLong + strconv.Itoa(len(key)))
		}
		if names[key] == "" {
			return nil, refuse("ExpressionAttributeNames contains invalid value: Empty attribute name for key " + key)
		}
		if len(names[key]) > maxName {
			return nil, refuse("ExpressionAttributeNames contains invalid value: Attribute name is too large, must be less than " +
				strconv.Itoa(maxName+1) + " bytes for key " + key)
		}
	}
	for _, key := range values.Names() {
		if !placeholder(key, ':') {
			return nil, refuse(`ExpressionAttributeValues contains invalid key: Syntax error; key: "` + key + `"`)
		}
		if len(key) > maxPlaceholder {
			return nil, refuse("ExpressionAttributeValues contains invalid key: " + tooLong + strconv.Itoa(len(key)))
		}
		if err := (attr.Map{key: values[key]}).CheckDepth(); err != nil {
			return nil, refuse("ExpressionAttributeValues contains invalid value: " + err.Error() + " for key " + key)
		}
	}
	return &Bindings{names: names, values: values, used: map[string]bool{}}, nil
}

func placeholder(key string, sigil byte) bool {
	return len(key) > 1 && key[0] == sigil && run(key, 1, wordByte) == len(key)
}

// Unused refuses placeholders that no expression has used. It is asked after every expression was read.
func (b *Bindings) Unused() error {
	for _, side := range []struct {
		field string
		keys  []string
	}{
		{"ExpressionAttributeNames", sortedKeys(b.names)},
		{"ExpressionAttributeValues", b.values.Names()},
	} {
		unused := slices.DeleteFunc(side.keys, func(key string) bool { return b.used[key] })
		if len(unused) > 0 {
			return refuse("Value provided in " + side.field + " unused in expressions: keys: {" +
				strings.Join(unused, ", ") + "}")
		}
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func refuse(message string) error { return &attr.Error{Message: message} }
