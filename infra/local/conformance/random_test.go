package conformance

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

// object is a JSON object of a request, or an item in the protocol's form.
type object = map[string]any

// request is one call to make.
type request struct {
	operation string
	body      object
	fault     string // the mistake that was made on purpose, "" for none
}

func (r request) text() []byte {
	text, err := json.Marshal(r.body)
	if err != nil { // it holds strings, numbers, objects and lists
		panic(err)
	}
	return text
}

// generator makes random requests over few keys and few attributes, so that they meet.
type generator struct {
	*rand.Rand
	names  object
	values object
	calm   bool   // make no mistake by chance
	run    string // begins every token: the other side may remember those of a run before
	tokens int
	last   []byte // the transaction under the last token
}

// keyspace is what the generator knows of a table.
type keyspace struct {
	table      string
	key        func(*generator) object
	attributes []string
	indexes    []keyedBy
	primary    keyedBy
}

// keyedBy is a table or an index as something to query.
type keyedBy struct{ index, hash, sort string }

var pairs = keyspace{
	table: "conformance-pairs",
	key: func(g *generator) object {
		return object{"pk": s(g.pick("a", "b")), "sk": s(g.pick("1", "2", "3", "33"))}
	},
	attributes: []string{"n", "s", "l", "m", "ss", "ns", "bs", "pw", "pt", "why", "r"},
	primary:    keyedBy{"", "pk", "sk"},
	indexes:    []keyedBy{{"parked", "pw", "pt"}},
}

var numbered = keyspace{
	table: "conformance-numbered",
	key: func(g *generator) object {
		return object{"p": b(g.pick("x", "xy")), "n": n(g.pick("1", "2", "-3.5", "1e1"))}
	},
	attributes: []string{"s", "l", "m", "ns", "g", "h", "c"},
	primary:    keyedBy{"", "p", "n"},
	indexes:    []keyedBy{{"all", "g", ""}, {"keys", "g", "h"}},
}

var plain = keyspace{
	table:      "conformance-plain",
	key:        func(g *generator) object { return object{"id": s(g.pick("a", "b", "c"))} },
	attributes: []string{"n", "s", "l", "m", "ss"},
	primary:    keyedBy{"", "id", ""},
}

func (g *generator) keyspace() keyspace {
	switch g.IntN(8) {
	case 0:
		return plain
	case 1, 2:
		return numbered
	}
	return pairs
}

// request makes the next request. What is wrong with most of them is up to chance; every eighth has one mistake, made on
// purpose, and no other.
func (g *generator) request() request {
	if g.IntN(8) > 0 {
		return g.any()
	}
	g.calm = true
	defer func() { g.calm = false }()
	r := g.any()
	g.spoil(&r)
	return r
}

func (g *generator) any() request {
	switch k := g.keyspace(); g.IntN(20) {
	case 0, 1, 2:
		return request{operation: "PutItem", body: g.put(k)}
	case 3, 4, 5, 6, 7, 8:
		return request{operation: "UpdateItem", body: g.update(k)}
	case 9:
		return request{operation: "DeleteItem", body: g.delete(k)}
	case 10:
		return request{operation: "GetItem", body: g.get(k)}
	case 11, 12, 13:
		return request{operation: "Query", body: g.query(k)}
	case 14:
		return request{operation: "Scan", body: g.scan(k)}
	case 15:
		return request{operation: "BatchGetItem", body: g.batchGet()}
	case 16:
		return request{operation: "BatchWriteItem", body: g.batchWrite()}
	case 17:
		return request{operation: "TransactGetItems", body: g.transactGet()}
	}
	return request{operation: "TransactWriteItems", body: g.transactWrite()}
}

// begin starts a request, or an entry of one, with placeholders of its own.
func (g *generator) begin(k keyspace) object {
	g.names, g.values = object{}, object{}
	return object{"TableName": k.table}
}

// finish adds the placeholders that the expressions have used.
func (g *generator) finish(body object) object {
	if len(g.names) > 0 {
		body["ExpressionAttributeNames"] = g.names
	}
	if len(g.values) > 0 {
		body["ExpressionAttributeValues"] = g.values
	}
	return body
}

func (g *generator) some(body object, odds int, member string, value func() any) {
	if g.IntN(odds) == 0 {
		body[member] = value()
	}
}

func (g *generator) capacity(body object) object {
	body["ReturnConsumedCapacity"] = g.pick("INDEXES", "INDEXES", "TOTAL", "NONE")
	return body
}

func (g *generator) put(k keyspace) object {
	body := g.begin(k)
	body["Item"] = g.item(k)
	body["ReturnValues"] = g.pick("NONE", "ALL_OLD")
	return g.finish(g.capacity(g.guarded(body, k, 3)))
}

func (g *generator) update(k keyspace) object {
	body := g.begin(k)
	body["Key"] = k.key(g)
	body["UpdateExpression"] = g.updateExpression(k)
	body["ReturnValues"] = g.pick("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
	return g.finish(g.capacity(g.guarded(body, k, 4)))
}

func (g *generator) delete(k keyspace) object {
	body := g.begin(k)
	body["Key"] = k.key(g)
	body["ReturnValues"] = g.pick("NONE", "ALL_OLD")
	return g.finish(g.capacity(g.guarded(body, k, 3)))
}

// guarded adds a condition now and then.
func (g *generator) guarded(body object, k keyspace, odds int) object {
	if g.IntN(odds) == 0 {
		body["ConditionExpression"] = g.condition(k, 2)
		body["ReturnValuesOnConditionCheckFailure"] = g.pick("NONE", "ALL_OLD")
	}
	return body
}

func (g *generator) get(k keyspace) object {
	body := g.begin(k)
	body["Key"] = k.key(g)
	body["ConsistentRead"] = g.IntN(2) == 0
	g.projected(body, k)
	return g.finish(g.capacity(body))
}

func (g *generator) projected(body object, k keyspace) {
	g.some(body, 3, "ProjectionExpression", func() any { return g.projection(k) })
}

func (g *generator) projection(k keyspace) string {
	if g.calm || g.IntN(2) == 0 {
		return g.path(k)
	}
	return g.path(k) + ", " + g.path(k)
}

func (g *generator) query(k keyspace) object {
	body := g.begin(k)
	by := k.primary
	if len(k.indexes) > 0 && g.IntN(3) == 0 {
		by = k.indexes[g.IntN(len(k.indexes))]
		body["IndexName"] = by.index
	} else {
		body["ConsistentRead"] = g.IntN(2) == 0
		g.some(body, 2, "Limit", func() any { return 1 + g.IntN(3) })
	}
	body["KeyConditionExpression"] = g.keyCondition(by)
	body["ScanIndexForward"] = g.IntN(2) == 0
	if g.calm && by.index != "" {
		return g.finish(g.capacity(body))
	}
	g.some(body, 3, "FilterExpression", func() any { return g.condition(k, 1) })
	if g.IntN(4) == 0 {
		body["Select"] = "COUNT"
		if !g.calm {
			body["Select"] = g.pick("COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")
		}
	} else {
		g.projected(body, k)
	}
	return g.finish(g.capacity(body))
}

// keyCondition selects a partition and, now and then, a range in it.
func (g *generator) keyCondition(by keyedBy) string {
	condition := by.hash + " = " + g.placeholder(g.indexed(by.hash))
	if by.sort == "" || g.IntN(3) == 0 {
		return condition
	}
	one := func() string { return g.placeholder(g.indexed(by.sort)) }
	switch g.IntN(6) {
	case 0:
		if g.calm {
			return condition
		}
		return condition + " AND " + by.sort + " BETWEEN " + one() + " AND " + one()
	case 1:
		if by.sort != "pt" && by.sort != "n" {
			return condition + " AND begins_with(" + by.sort + ", " + one() + ")"
		}
	case 2:
		return one() + " " + g.pick("<", ">=") + " " + by.sort + " AND " + condition
	}
	return condition + " AND " + by.sort + " " + g.pick("=", "<", "<=", ">", ">=") + " " + one()
}

func (g *generator) scan(k keyspace) object {
	body := g.begin(k)
	if len(k.indexes) > 0 && g.IntN(4) == 0 {
		body["IndexName"] = k.indexes[g.IntN(len(k.indexes))].index
	} else {
		body["ConsistentRead"] = g.IntN(2) == 0
	}
	g.some(body, 2, "FilterExpression", func() any { return g.condition(k, 2) })
	g.some(body, 4, "Select", func() any { return "COUNT" })
	return g.finish(g.capacity(body))
}

func (g *generator) batchGet() object {
	tables := object{}
	for range 1 + g.IntN(2) {
		k := g.keyspace()
		g.begin(k)
		keys := distinct(g, k, 1+g.IntN(3))
		one := object{"Keys": keys, "ConsistentRead": g.IntN(2) == 0}
		g.projected(one, k)
		tables[k.table] = g.finish(one)
	}
	return g.capacity(object{"RequestItems": tables})
}

// distinct is so many keys, or fewer, without repetition.
func distinct(g *generator, k keyspace, count int) []any {
	seen := map[string]bool{}
	var keys []any
	for range count {
		key := k.key(g)
		if text := fmt.Sprint(key); !seen[text] {
			seen[text] = true
			keys = append(keys, key)
		}
	}
	return keys
}

func (g *generator) batchWrite() object {
	tables := object{}
	for range 1 + g.IntN(2) {
		k := g.keyspace()
		var writes []any
		for _, key := range distinct(g, k, 1+g.IntN(3)) {
			if g.IntN(3) == 0 {
				writes = append(writes, object{"DeleteRequest": object{"Key": key}})
				continue
			}
			item := g.item(k)
			for name, v := range key.(object) {
				item[name] = v
			}
			writes = append(writes, object{"PutRequest": object{"Item": item}})
		}
		tables[k.table] = writes
	}
	return g.capacity(object{"RequestItems": tables})
}

func (g *generator) transactGet() object {
	var entries []any
	count := 1 + g.IntN(3)
	if g.calm {
		count = 1
	}
	for range count {
		k := g.keyspace()
		one := g.begin(k)
		one["Key"] = k.key(g)
		g.projected(one, k)
		entries = append(entries, object{"Get": g.finish(one)})
	}
	return g.capacity(object{"TransactItems": entries})
}

// transactWrite makes a transaction; now and then it repeats the last one under its token.
func (g *generator) transactWrite() object {
	if g.last != nil && g.IntN(6) == 0 && !g.calm {
		var again object
		if err := json.Unmarshal(g.last, &again); err != nil {
			panic(err) // it was written by Marshal
		}
		return again
	}
	var entries []any
	count := 1 + g.IntN(3)
	if g.calm {
		count = 1
	}
	for range count {
		entries = append(entries, g.entry(g.keyspace()))
	}
	body := g.capacity(object{"TransactItems": entries})
	if g.IntN(4) == 0 && !g.calm {
		g.tokens++
		body["ClientRequestToken"] = fmt.Sprint(g.run, g.tokens)
		g.last = request{body: body}.text()
	}
	return body
}

func (g *generator) entry(k keyspace) object {
	kind := g.pick("Put", "Update", "Delete", "ConditionCheck")
	var one object
	switch kind {
	case "Put":
		one = g.put(k)
	case "Update":
		one = g.update(k)
	case "Delete":
		one = g.delete(k)
	default:
		one = g.begin(k)
		one["Key"] = k.key(g)
		one["ConditionExpression"] = g.condition(k, 2)
		one["ReturnValuesOnConditionCheckFailure"] = g.pick("NONE", "ALL_OLD")
		g.finish(one)
	}
	delete(one, "ReturnValues")
	delete(one, "ReturnConsumedCapacity")
	return object{kind: one}
}
