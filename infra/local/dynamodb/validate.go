package dynamodb

import (
	"strings"

	"loophub/infra/local/dynamodb/attr"
)

// Limits (developer guide, "Quotas in Amazon DynamoDB").
const (
	maxItem      = 400 << 10
	maxPartition = 2048
	maxSort      = 1024
)

// Errors of items and keys, in AWS's words.
const (
	putTooLarge    = "Item size has exceeded the maximum allowed size"
	updateTooLarge = "Item size to update has exceeded the maximum allowed size"
	wrongKey       = "The provided key element does not match the schema"
	invalidValues  = "One or more parameter values were invalid: "
	notValid       = "One or more parameter values are not valid. "
	scalarKey      = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
	emptyKey       = "The AttributeValue for a key attribute cannot contain an empty "
)

func invalid(message string) error { return &attr.Error{Message: message} }

// errWrongKey refuses a key that is not the table's. In a transaction it is a reason to cancel.
var errWrongKey = invalid(wrongKey)

// filled refuses an empty key value.
func (k keyAttribute) filled(v attr.Value) error {
	if v.Kind == attr.N || v.Text != "" {
		return nil
	}
	return invalid(notValid + emptyKey + word(k.kind) + " value. Key: " + k.name)
}

// short refuses a key value that is too long. Position is the attribute's place in its key.
func (k keyAttribute) short(v attr.Value, position int) error {
	switch {
	case v.Kind == attr.N:
	case position == 0 && len(v.Text) > maxPartition:
		return invalid(invalidValues + "Size of hashkey has exceeded the maximum size limit of2048 bytes")
	case position == 1 && len(v.Text) > maxSort:
		return invalid(invalidValues + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
	}
	return nil
}

// locate checks the Key of a request and encodes it.
func (t *Table) locate(key attr.Map) (string, error) {
	if len(key) != len(t.keys) {
		return "", errWrongKey
	}
	for i, k := range t.keys {
		v := key[k.name]
		if v.Kind != k.kind {
			return "", errWrongKey
		}
		if err := k.filled(v); err != nil {
			return "", err
		}
		if err := k.short(v, i); err != nil {
			return "", err
		}
	}
	return string(t.keys.encode(key)), nil
}

// locateItem encodes the key attributes of an item to be put. What they are is reported by check, which in a transaction is
// a reason to cancel; that one is missing or empty is a fault of the request.
func (t *Table) locateItem(item attr.Map) (string, error) {
	for _, k := range t.keys {
		v, ok := item[k.name]
		if !ok {
			return "", invalid(invalidValues + "Missing the key " + k.name + " in the item")
		}
		if v.Kind != k.kind {
			continue
		}
		if err := k.filled(v); err != nil {
			return "", err
		}
	}
	return string(t.keys.encode(item)), nil
}

// check refuses an item whose keys do not fit the table or its indexes.
func (t *Table) check(item attr.Map) error {
	for position, k := range t.keys {
		v := item[k.name]
		if v.Kind != k.kind {
			return invalid(invalidValues + "Type mismatch for key " + k.name + " expected: " + k.kind.String() +
				" actual: " + v.Kind.String())
		}
		if err := k.short(v, position); err != nil {
			return err
		}
	}
	for _, i := range t.indexes {
		if err := i.check(item); err != nil {
			return err
		}
	}
	return nil
}

// bounded refuses an item that is nested too deeply or too large.
func bounded(item attr.Map, tooLarge string) error {
	if err := item.CheckDepth(); err != nil {
		return err
	}
	if item.Size() > maxItem {
		return invalid(tooLarge)
	}
	return nil
}

// checkUpdated is check and bounded after an update, which words one error differently.
func (t *Table) checkUpdated(item attr.Map) error {
	for _, i := range t.indexes {
		for _, k := range i.keys {
			if v, ok := item[k.name]; ok && v.Kind == k.kind && v.Kind != attr.N && v.Text == "" {
				return invalid(notValid + "The update expression attempted to update a secondary index key to a value " +
					"that is not supported. " + emptyKey + word(k.kind) + " value.")
			}
		}
	}
	if err := t.check(item); err != nil {
		return err
	}
	return bounded(item, updateTooLarge)
}

func word(k attr.Kind) string {
	if k == attr.B {
		return "binary"
	}
	return "string"
}

// check refuses an item whose index keys have the wrong type or length. An item without them is not listed, and fine.
func (i *index) check(item attr.Map) error {
	for position, k := range i.keys {
		v, ok := item[k.name]
		if !ok {
			continue
		}
		if v.Kind != k.kind {
			return invalid(invalidValues + "Type mismatch for Index Key " + k.name + " Expected: " + k.kind.String() +
				" Actual: " + v.Kind.String() + " IndexName: " + i.spec.Name)
		}
		if err := i.filled(k, v); err != nil {
			return err
		}
		if err := k.short(v, position); err != nil {
			return err
		}
	}
	return nil
}

// filled refuses an empty value for a key attribute of the index.
func (i *index) filled(k keyAttribute, v attr.Value) error {
	if v.Kind == attr.N || v.Text != "" {
		return nil
	}
	return invalid(notValid + "A value specified for a secondary index key is not supported. " + emptyKey +
		word(k.kind) + " value. IndexName: " + i.spec.Name + ", IndexKey: " + k.name)
}

// oneOf refuses a value outside an enumeration. An absent value is fine. Allowed stands in AWS's order, which is that
// of no list in the documentation.
func oneOf(member, value string, allowed ...string) error {
	if value == "" {
		return nil
	}
	for _, a := range allowed {
		if a == value {
			return nil
		}
	}
	return invalid("1 validation error detected: Value '" + value + "' at '" + member +
		"' failed to satisfy constraint: Member must satisfy enum value set: [" + strings.Join(allowed, ", ") + "]")
}

// missing refuses a request that lacks a required member.
func missing(member string) error {
	return invalid("1 validation error detected: Value null at '" + member +
		"' failed to satisfy constraint: Member must not be null")
}
