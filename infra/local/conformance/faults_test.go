package conformance

import (
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
	"name without sign": func(g *generator, r *request) bool {
		return g.addPlaceholder(r, "ExpressionAttributeNames",
			"x", "x")
	},
	"name of nothing": func(g *generator, r *request) bool {
		return g.addPlaceholder(r, "ExpressionAttributeNames",
			"#x", "")
	},
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
	"expression empty": func(g *generator, r *request) bool {
		return g.anyExpression(r,
			func(string) string { return " " })
	},
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
		return r.operation == "TransactWriteItems" && put(r.body, "TransactItems",
			[]any{object{"Update": object{"TableName": plain.table, "Key": plain.key(g)}}})
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
