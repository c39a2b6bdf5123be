package dynamodb

import (
	"math/bits"
	"strconv"

	"loophub/infra/local/dynamodb/attr"
	"loophub/infra/local/dynamodb/expr"
)

// span is a range of encoded keys: from ≤ key < to; an empty to is the end of all keys.
type span struct{ from, to string }

// ranges turns the tests of a KeyConditionExpression into the range of keys that they select. It also returns the
// encoded beginning of the partition.
func (r *reading) ranges(tests []expr.KeyTest) (string, span, error) {
	s := r.schema()
	byName := map[string]expr.KeyTest{}
	for _, t := range tests {
		if _, twice := byName[t.Name]; twice {
			return "", span{}, invalid("KeyConditionExpressions must only contain one condition per key")
		}
		byName[t.Name] = t
	}
	if len(tests) > 2 {
		return "", span{}, invalid("Conditions can be of length 1 or 2 only")
	}
	hash, ok := byName[s[0].name]
	if !ok {
		return "", span{}, invalid("Query condition missed key schema element: " + s[0].name)
	}
	if err := r.accepts(0, hash); err != nil {
		return "", span{}, err
	}
	if hash.Op != "=" {
		return "", span{}, invalid("Query key condition not supported")
	}
	partition := s.partition(hash.Values[0])
	whole := span{string(partition), attr.After(partition)}
	if len(tests) == 1 {
		return string(partition), whole, nil
	}
	if len(s) == 1 {
		return "", span{}, invalid("Query key condition not supported")
	}
	sort, ok := byName[s[1].name]
	if !ok {
		return "", span{}, invalid("Query condition missed key schema element: " + s[1].name)
	}
	if err := r.accepts(1, sort); err != nil {
		return "", span{}, err
	}
	return string(partition), within(partition, whole, sort), nil
}

// accepts checks the values of a test against the key attribute of a position.
func (r *reading) accepts(position int, t expr.KeyTest) error {
	k := r.schema()[position]
	for _, v := range t.Values {
		if v.Kind != k.kind {
			return invalid(invalidValues + "Condition parameter type does not match schema type")
		}
		filled := k.filled(v)
		if r.index != nil {
			filled = r.index.filled(k, v)
		}
		if filled != nil {
			return filled
		}
		if err := k.short(v, position); err != nil {
			return err
		}
	}
	if t.Op == "begins_with" && k.kind == attr.N {
		return invalid(invalidValues + "Condition parameter type does not match schema type")
	}
	return nil
}

// within narrows a partition to what the test on the sort key selects. An encoded sort key is followed by nothing in a
// table and by the primary key in an index; After covers both.
func within(partition []byte, whole span, t expr.KeyTest) span {
	bound := func(v attr.Value) []byte { return v.AppendOrdered(append([]byte(nil), partition...)) }
	low := bound(t.Values[0])
	switch t.Op {
	case "=":
		return span{string(low), attr.After(low)}
	case "<":
		return span{whole.from, string(low)}
	case "<=":
		return span{whole.from, attr.After(low)}
	case ">":
		return span{attr.After(low), whole.to}
	case ">=":
		return span{string(low), whole.to}
	case "BETWEEN":
		return span{string(low), attr.After(bound(t.Values[1]))}
	}
	prefix := t.Values[0].AppendOrderedPrefix(append([]byte(nil), partition...)) // begins_with
	return span{string(prefix), attr.After(prefix)}
}

// segment narrows a Scan to one of several equal shares of the hashes.
func (r *reading) segment(segment, total *int) error {
	switch {
	case segment == nil && total == nil:
		return nil
	case total == nil:
		return invalid("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case segment == nil:
		return invalid("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case *total < 1 || *total > 1000000:
		return invalid("1 validation error detected: Value '" + strconv.Itoa(*total) +
			"' at 'totalSegments' failed to satisfy constraint: Member must have value between 1 and 1000000")
	case *segment < 0 || *segment >= *total:
		return invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: " +
			strconv.Itoa(*segment) + " is not less than TotalSegments: " + strconv.Itoa(*total))
	}
	r.from = share(*segment, *total)
	if *segment+1 < *total {
		r.to = share(*segment+1, *total)
	}
	return nil
}

// share is the least hash of a segment, as it stands in encoded keys.
func share(segment, total int) string {
	hash, _ := bits.Div64(uint64(segment), 0, uint64(total))
	key := make([]byte, 8)
	for i := range key {
		key[i] = byte(hash >> (56 - 8*i))
	}
	return string(key)
}

// resume moves the range behind the last key of the page before. Partition is the one that a Query reads, "" for a Scan.
func (r *reading) resume(start attr.Map, partition string) error {
	if start == nil {
		return nil
	}
	key, err := r.startKey(start)
	if err != nil {
		return err
	}
	if partition != "" && (len(key) < len(partition) || key[:len(partition)] != partition) {
		return invalid("The provided starting key is outside query boundaries based on provided conditions")
	}
	if key < r.from || r.to != "" && key >= r.to {
		if partition == "" {
			return invalid("The provided starting key is invalid: Invalid ExclusiveStartKey. " +
				"Please use ExclusiveStartKey with correct Segment. TotalSegments and Segment must stay the same")
		}
		return invalid("The provided starting key does not match the range key predicate")
	}
	if r.backward {
		r.to = key
	} else {
		r.from = key + "\x00"
	}
	return nil
}

// startKey checks and encodes an ExclusiveStartKey: the key of the table and, for an index, that of the index.
func (r *reading) startKey(start attr.Map) (string, error) {
	const refusal = "The provided starting key is invalid"
	primary := r.table.keys.of(start)
	encoded, err := r.table.locate(primary)
	if err != nil {
		return "", invalid(refusal + ": " + err.Error())
	}
	if r.index == nil {
		if len(start) != len(primary) {
			return "", invalid(refusal + ": " + wrongKey)
		}
		return encoded, nil
	}
	keys := r.index.keys
	distinct := len(primary)
	for _, k := range keys {
		if !r.table.keys.has(k.name) {
			distinct++
		}
	}
	if !keys.holds(start) || len(start) != distinct {
		return "", invalid(refusal)
	}
	return string(keys.encode(start)) + encoded, nil
}
