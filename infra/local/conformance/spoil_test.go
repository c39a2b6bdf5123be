package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// badValue gives an item an attribute, or a condition a value, that no item can have.
func (g *generator) badValue(r *request, v object) bool {
	if in(r.body, "Item", func(item object) { item["bad"] = v }) {
		return true
	}
	if r.operation == "Scan" || r.body["TransactItems"] != nil {
		return false
	}
	return in(r.body, "ExpressionAttributeValues", func(values object) {
		names := slices.Sorted(maps.Keys(values))
		values[names[g.IntN(len(names))]] = v
	})
}

// indexKey gives the item of a put a key of an index that it can't have.
func (g *generator) indexKey(r *request, v object) bool {
	name := map[string]string{"pk": "pw", "p": "g"}[primaryOf(r).hash]
	return name != "" && in(r.body, "Item", func(item object) { item[name] = v })
}

// expressions are the members that hold expressions.
var expressions = []string{"ConditionExpression", "FilterExpression", "KeyConditionExpression",
	"ProjectionExpression", "UpdateExpression"}

// expressed is the part of a request that has expressions and their placeholders, nil if none.
func (g *generator) expressed(r *request) object {
	parts := []object{r.body}
	if one := firstEntry(r.body); one != nil {
		parts = append(parts, one)
	}
	for _, part := range parts {
		for _, name := range expressions {
			if part[name] != nil {
				return part
			}
		}
	}
	return nil
}

func (g *generator) addPlaceholder(r *request, member, name string, v any) bool {
	part := g.expressed(r)
	if part == nil || member == "ExpressionAttributeValues" && part["ProjectionExpression"] != nil &&
		part["KeyConditionExpression"] == nil {
		return false
	}
	if part[member] == nil {
		part[member] = object{}
	}
	part[member].(object)[name] = v
	return true
}

// worsen adds a clause to the condition or the filter of a request.
func (g *generator) worsen(r *request, clause string) bool {
	part := g.expressed(r)
	if part == nil {
		return false
	}
	for _, member := range []string{"ConditionExpression", "FilterExpression"} {
		if old, ok := part[member].(string); ok {
			part[member] = "(" + old + ") AND " + clause
			if g.IntN(2) == 0 {
				part[member] = clause + " OR NOT (" + old + ")"
			}
			return true
		}
	}
	return false
}

func (g *generator) anyExpression(r *request, change func(string) string) bool {
	part := g.expressed(r)
	if part == nil {
		return false
	}
	for _, member := range expressions {
		if old, ok := part[member].(string); ok {
			part[member] = change(old)
			return true
		}
	}
	return false
}

// cutOff ends an expression somewhere in its middle, or puts a stray sign there.
func (g *generator) cutOff(r *request) bool {
	return g.anyExpression(r, func(e string) string {
		runes := []rune(e)
		at := g.IntN(len(runes))
		if g.IntN(2) == 0 {
			return string(runes[:at])
		}
		return string(runes[:at]) + g.pick("=", "(", ")", ",", "$", " AND ", ".", "[", "+") + string(runes[at:])
	})
}

// badIndexKey gives the key of an index a value of a type that it can't have.
func (g *generator) badIndexKey(r *request) bool {
	name := map[string]string{"pk": "pt", "p": "g"}[primaryOf(r).hash]
	if r.operation != "UpdateItem" || name == "" {
		return false
	}
	r.body["UpdateExpression"] = "SET " + name + " = :wrong"
	r.body["ExpressionAttributeValues"] = object{":wrong": []object{b("x"), set("SS", "x"), {"BOOL": true}}[g.IntN(3)]}
	delete(r.body, "ConditionExpression")
	delete(r.body, "ExpressionAttributeNames")
	return true
}

func (g *generator) keyUpdate(r *request) bool {
	one := r.body
	if first := firstEntry(r.body); first != nil {
		one = first
	}
	if one["UpdateExpression"] == nil {
		return false
	}
	one["UpdateExpression"] = g.pick("SET ", "REMOVE ") + primaryOf(r).hash
	if e := one["UpdateExpression"].(string); strings.HasPrefix(e, "SET") {
		one["UpdateExpression"] = e + " = s"
	}
	delete(one, "ConditionExpression")
	delete(one, "ExpressionAttributeValues")
	delete(one, "ExpressionAttributeNames")
	return true
}

func (g *generator) filterOnKey(r *request) bool {
	if r.operation != "Query" {
		return false
	}
	by := primaryOf(r)
	if index, ok := r.body["IndexName"].(string); ok {
		by.hash = map[string]string{"parked": "pw", "all": "g", "keys": "g"}[index]
	}
	r.body["FilterExpression"] = "attribute_exists(" + by.hash + ")"
	delete(r.body, "ExpressionAttributeNames")
	delete(r.body, "ProjectionExpression")
	maps.DeleteFunc(r.body["ExpressionAttributeValues"].(object), func(name string, _ any) bool {
		return !strings.Contains(r.body["KeyConditionExpression"].(string), name)
	})
	return true
}

func (g *generator) badKeyCondition(r *request) bool {
	if r.operation != "Query" || r.body["IndexName"] != nil {
		return false
	}
	by := primaryOf(r)
	x := g.indexed(by.hash)
	r.body["KeyConditionExpression"] = by.hash + g.pick(" = :x OR s = :x", " < :x", " = :x AND nope = :x",
		" = :x AND "+by.hash+" = :x", " <> :x",
		" IN (:x)", " = s", ".a = :x", " = :x AND size(s) = :x")
	if strings.HasSuffix(r.body["KeyConditionExpression"].(string), "= s") {
		delete(r.body, "ExpressionAttributeValues")
	} else {
		r.body["ExpressionAttributeValues"] = object{":x": x}
	}
	for _, member := range []string{"FilterExpression", "ProjectionExpression", "ExpressionAttributeNames", "Select"} {
		delete(r.body, member)
	}
	return true
}

func (g *generator) badStart(r *request) bool {
	if r.operation != "Query" || r.body["IndexName"] != nil {
		return false
	}
	r.body["ExclusiveStartKey"] = object{primaryOf(r).hash: m(object{})}
	return true
}

// twice asks for one item two times.
func (g *generator) twice(r *request) bool {
	if entries, ok := r.body["TransactItems"].([]any); ok {
		if one := firstEntry(r.body); one["Item"] != nil || one["Key"] == nil {
			return false
		}
		r.body["TransactItems"] = append(entries, entries[0])
		return true
	}
	tables, ok := r.body["RequestItems"].(object)
	if !ok {
		return false
	}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		switch asked := tables[name].(type) {
		case []any:
			tables[name] = append(asked, asked[0])
		case object:
			keys := asked["Keys"].([]any)
			asked["Keys"] = append(keys, keys[0])
		}
		return true
	}
	return false
}

func (g *generator) twoInOne(r *request) bool {
	entries, ok := r.body["TransactItems"].([]any)
	if !ok || r.operation != "TransactWriteItems" {
		return false
	}
	entry := entries[0].(object)
	entry["Put"] = object{"TableName": plain.table, "Item": object{"id": s("x")}}
	entry["Delete"] = object{"TableName": plain.table, "Key": object{"id": s("y")}}
	return true
}

func (g *generator) nothing(r *request) bool {
	switch {
	case r.body["TransactItems"] != nil:
		return put(r.body, "TransactItems", []any{})
	case r.body["RequestItems"] != nil:
		return put(r.body, "RequestItems", object{})
	}
	return false
}

func (g *generator) tooMuch(r *request) bool {
	many := func(count int, one func(key object) any) []any {
		var out []any
		for i := range count {
			out = append(out, one(object{"id": s(strings.Repeat("k", i+1))}))
		}
		return out
	}
	switch r.operation {
	case "TransactWriteItems":
		return put(r.body, "TransactItems", many(101, func(key object) any {
			return object{"Delete": object{"TableName": plain.table, "Key": key}}
		}))
	case "TransactGetItems":
		return put(r.body, "TransactItems", many(101,
			func(key object) any { return object{"Get": object{"TableName": plain.table, "Key": key}} }))
	case "BatchGetItem":
		return put(r.body, "RequestItems", object{plain.table: object{"Keys": many(101, func(key object) any { return key })}})
	case "BatchWriteItem":
		return put(r.body, "RequestItems", object{plain.table: many(26,
			func(key object) any { return object{"DeleteRequest": object{"Key": key}} })})
	}
	return false
}

// otherToken puts a transaction under the token of another.
func (g *generator) otherToken(r *request) bool {
	if r.operation != "TransactWriteItems" || g.last == nil || r.body["ClientRequestToken"] != nil {
		return false
	}
	r.body["ClientRequestToken"] = fmt.Sprint(g.run, g.tokens)
	return true
}
