package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// spoil makes one mistake in a request that can have it.
func (g *generator) spoil(r *request) {
	names := slices.Sorted(maps.Keys(faults))
	for {
		name := names[g.IntN(len(names))]
		if faults[name](g, r) {
			r.fault = name
			return
		}
	}
}

// faults are mistakes by name. Each says whether the request could have it.
var faults = map[string]func(g *generator, r *request) bool{
	"no such table": func(g *generator, r *request) bool { return replace(r.body, "TableName", "conformance-nowhere") },
	"no such index": func(g *generator, r *request) bool { return replace(r.body, "IndexName", "nowhere") },
	"no key":        func(g *generator, r *request) bool { return remove(r.body, "Key") },
	"no item":       func(g *generator, r *request) bool { return remove(r.body, "Item") },
	"key attribute missing": func(g *generator, r *request) bool {
		return g.ofKey(r, func(key object, name string) { delete(key, name) })
	},
	"key of another type": func(g *generator, r *request) bool {
		return g.ofKey(r, func(key object, name string) { key[name] = m(object{}) })
	},
	"key too many": func(g *generator, r *request) bool {
		return in(r.body, "Key", func(key object) { key["extra"] = s("x") })
	},
	"key empty":    (*generator).emptyKey,
	"key too long": (*generator).longKey,
	"item too large": func(g *generator, r *request) bool {
		return in(r.body, "Item", func(item object) { item["s"] = s(strings.Repeat("x", 400<<10)) })
	},
	"grown too large": func(g *generator, r *request) bool {
		if r.operation != "UpdateItem" {
			return false
		}
		r.body["UpdateExpression"] = "SET big = :big"
		delete(r.body, "ExpressionAttributeNames")
		delete(r.body, "ConditionExpression")
		r.body["ExpressionAttributeValues"] = object{":big": s(strings.Repeat("x", 400<<10))}
		return true
	},
	"nested too deeply": func(g *generator, r *request) bool { return g.badValue(r, deep(33)) },
	"no value":          func(g *generator, r *request) bool { return g.badValue(r, object{}) },
	"two types":         func(g *generator, r *request) bool { return g.badValue(r, object{"S": "x", "N": "1"}) },
	"no number":         func(g *generator, r *request) bool { return g.badValue(r, n("one")) },
	"empty number":      func(g *generator, r *request) bool { return g.badValue(r, n("")) },
	"39 digits": func(g *generator, r *request) bool {
		return g.badValue(r, n("123456789012345678901234567890123456789"))
	},
	"number too large": func(g *generator, r *request) bool { return g.badValue(r, n("1e126")) },
	"number too small": func(g *generator, r *request) bool { return g.badValue(r, n("-1e-131")) },
	"zero too large":   func(g *generator, r *request) bool { return g.badValue(r, n("0e126")) },
	"empty set": func(g *generator, r *request) bool {
		return g.badValue(r, object{g.pick("SS", "NS", "BS"): []string{}})
	},
	"member twice": func(g *generator, r *request) bool {
		return g.badValue(r, []object{set("SS", "a", "b", "a"), set("NS", "1", "1.0"), set("BS", "eA==", "eA==")}[g.IntN(3)])
	},
	"false null":           func(g *generator, r *request) bool { return g.badValue(r, object{"NULL": false}) },
	"index key of no type": func(g *generator, r *request) bool { return g.indexKey(r, object{"BOOL": true}) },
	"index key updated":    (*generator).badIndexKey,
	"index key empty":      func(g *generator, r *request) bool { return g.indexKey(r, s("")) },
	"index key too long":   func(g *generator, r *request) bool { return g.indexKey(r, s(strings.Repeat("x", 2049))) },
	"return values":        func(g *generator, r *request) bool { return replace(r.body, "ReturnValues", "SOME") },
	"return values of a put": func(g *generator, r *request) bool {
		return r.operation != "UpdateItem" && replace(r.body, "ReturnValues", "ALL_NEW")
	},
	"return on failure": func(g *generator, r *request) bool {
		return replace(r.body, "ReturnValuesOnConditionCheckFailure", "SOME")
	},
	"capacity report": func(g *generator, r *request) bool { return replace(r.body, "ReturnConsumedCapacity", "SOME") },
	"size as a name":  func(g *generator, r *request) bool { return g.worsen(r, "size <> n") },
	"limit of none":   func(g *generator, r *request) bool { return replace(r.body, "Limit", 0) },
	"select":          func(g *generator, r *request) bool { return replace(r.body, "Select", "SOME") },
	"consistent index": func(g *generator, r *request) bool {
		return r.body["IndexName"] != nil && put(r.body, "ConsistentRead", true)
	},
	"no names": func(g *generator, r *request) bool {
		return g.expressed(r) != nil && put(g.expressed(r), "ExpressionAttributeNames", object{})
	},
	"no values": func(g *generator, r *request) bool { return replace(r.body, "ExpressionAttributeValues", object{}) },
	"name unused": func(g *generator, r *request) bool {
		return g.addPlaceholder(r, "ExpressionAttributeNames", "#unused", "x")
	},
	"name without sign": func(g *generator, r *request) bool { return g.addPlaceholder(r, "ExpressionAttributeNames", "x", "x") },
	"name of nothing":   func(g *generator, r *request) bool { return g.addPlaceholder(r, "ExpressionAttributeNames", "#x", "") },
	"value unused": func(g *generator, r *request) bool {
		return g.addPlaceholder(r, "ExpressionAttributeValues", ":unused", s("x"))
	},
	"value without sign": func(g *generator, r *request) bool {
		return g.addPlaceholder(r, "ExpressionAttributeValues", "x", s("x"))
	},
	"value undefined": func(g *generator, r *request) bool { return g.worsen(r, "s = :undefined") },
	"name undefined":  func(g *generator, r *request) bool { return g.worsen(r, "#undefined = s") },
	"reserved word": func(g *generator, r *request) bool {
		return g.worsen(r, "attribute_exists(Year)")
	},
	"unknown function":    func(g *generator, r *request) bool { return g.worsen(r, "exists(s)") },
	"function as operand": func(g *generator, r *request) bool { return g.worsen(r, "contains(s, n) = m") },
	"too few operands":    func(g *generator, r *request) bool { return g.worsen(r, "begins_with(s)") },
	"itself":              func(g *generator, r *request) bool { return g.worsen(r, "s = s") },
	"cut off":             (*generator).cutOff,
	"expression empty":    func(g *generator, r *request) bool { return g.anyExpression(r, func(string) string { return " " }) },
	"expression too long": func(g *generator, r *request) bool {
		return g.anyExpression(r, func(e string) string { return e + strings.Repeat(" ", 4097) })
	},
	"redundant brackets": func(g *generator, r *request) bool { return g.worsen(r, "((s = n))") },
	"update of the key":  (*generator).keyUpdate,
	"projection twice":   func(g *generator, r *request) bool { return replace(r.body, "ProjectionExpression", "s, m, s") },
	"filter on the key":  (*generator).filterOnKey,
	"key condition":      (*generator).badKeyCondition,
	"start key":          (*generator).badStart,
	"item twice":         (*generator).twice,
	"nothing to update": func(g *generator, r *request) bool {
		return r.operation == "TransactWriteItems" && put(r.body, "TransactItems", []any{object{"Update": object{"TableName": plain.table, "Key": plain.key(g)}}})
	},
	"two writes in one": (*generator).twoInOne,
	"nothing to do":     (*generator).nothing,
	"too much to do":    (*generator).tooMuch,
	"token of another":  (*generator).otherToken,
	"token too long": func(g *generator, r *request) bool {
		return r.operation == "TransactWriteItems" && put(r.body, "ClientRequestToken", strings.Repeat("t", 37))
	},
}

func put(o object, name string, v any) bool {
	o[name] = v
	return true
}

// replace changes a member that is there; of a transaction, that of its first entry.
func replace(o object, name string, v any) bool {
	if _, ok := o[name]; ok {
		o[name] = v
		return true
	}
	if one := firstEntry(o); one != nil && one[name] != nil {
		one[name] = v
		return true
	}
	return false
}

func remove(o object, name string) bool {
	_, ok := o[name]
	delete(o, name)
	return ok
}

func in(o object, name string, change func(object)) bool {
	v, ok := o[name].(object)
	if !ok {
		one := firstEntry(o)
		if one == nil {
			return false
		}
		if v, ok = one[name].(object); !ok {
			return false
		}
	}
	change(v)
	return true
}

// firstEntry is what the first entry of a transaction asks for, nil of other requests.
func firstEntry(o object) object {
	entries, _ := o["TransactItems"].([]any)
	if len(entries) == 0 {
		return nil
	}
	for _, one := range entries[0].(object) {
		return one.(object)
	}
	return nil
}

// primaryOf is the key of a request's table.
func primaryOf(r *request) keyedBy {
	table, _ := r.body["TableName"].(string)
	if one := firstEntry(r.body); one != nil {
		table, _ = one["TableName"].(string)
	}
	for _, k := range []keyspace{pairs, numbered, plain} {
		if k.table == table {
			return k.primary
		}
	}
	return keyedBy{}
}

// ofKey changes one key attribute of a Key or an Item.
func (g *generator) ofKey(r *request, change func(key object, name string)) bool {
	by := primaryOf(r)
	name := by.hash
	if by.sort != "" && g.IntN(2) == 0 {
		name = by.sort
	}
	one := func(key object) { change(key, name) }
	return in(r.body, "Key", one) || in(r.body, "Item", one)
}

func (g *generator) emptyKey(r *request) bool {
	return g.ofKey(r, func(key object, name string) {
		if name == "p" {
			key[name] = b("")
		} else if name != "n" {
			key[name] = s("")
		} else {
			key["p"] = b("")
		}
	})
}

func (g *generator) longKey(r *request) bool {
	return g.ofKey(r, func(key object, name string) {
		if name == "p" || name == "n" {
			key["p"] = b(strings.Repeat("x", 2049))
		} else {
			key[name] = s(strings.Repeat("x", 2049))
		}
	})
}

func deep(levels int) object {
	v := s("x")
	for range levels {
		v = list(v)
	}
	return v
}

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
var expressions = []string{"ConditionExpression", "FilterExpression", "KeyConditionExpression", "ProjectionExpression", "UpdateExpression"}

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
	if part == nil || member == "ExpressionAttributeValues" && part["ProjectionExpression"] != nil && part["KeyConditionExpression"] == nil {
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
	r.body["KeyConditionExpression"] = by.hash + g.pick(" = :x OR s = :x", " < :x", " = :x AND nope = :x", " = :x AND "+by.hash+" = :x", " <> :x",
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
		return put(r.body, "TransactItems", many(101, func(key object) any { return object{"Get": object{"TableName": plain.table, "Key": key}} }))
	case "BatchGetItem":
		return put(r.body, "RequestItems", object{plain.table: object{"Keys": many(101, func(key object) any { return key })}})
	case "BatchWriteItem":
		return put(r.body, "RequestItems", object{plain.table: many(26, func(key object) any { return object{"DeleteRequest": object{"Key": key}} })})
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
