package dynamodb

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// generator makes random requests over few keys and few attributes, so that they meet.
type generator struct {
	*rand.Rand
	names  map[string]string
	values item
}

func (g *generator) pick(options ...string) string { return options[g.IntN(len(options))] }

func (g *generator) key() item { return key(g.pick("a", "b"), g.pick("1", "2", "3", "33")) }

// scalar is a value of a kind that has an order.
func (g *generator) scalar() types.AttributeValue {
	switch g.IntN(5) {
	case 0:
		return s(g.pick("", "x", "xy", "é", "z"))
	case 1:
		return &types.AttributeValueMemberB{Value: []byte(g.pick("x", "xy", "\x00"))}
	}
	return n(g.pick("0", "1", "-1", "2", "10", "1.5", "1000", "-0.001", "12345678901234567890"))
}

func (g *generator) value() types.AttributeValue {
	switch g.IntN(12) {
	case 0:
		return &types.AttributeValueMemberBOOL{Value: g.IntN(2) == 0}
	case 1:
		return &types.AttributeValueMemberNULL{Value: true}
	case 2, 3:
		list := []types.AttributeValue{}
		for range g.IntN(3) {
			list = append(list, g.scalar())
		}
		return &types.AttributeValueMemberL{Value: list}
	case 4, 5:
		m := item{}
		for range g.IntN(3) {
			m[g.pick("a", "b", "n")] = g.value()
		}
		return &types.AttributeValueMemberM{Value: m}
	case 6:
		return &types.AttributeValueMemberSS{Value: []string{"x", g.pick("y", "z")}}
	case 7:
		return &types.AttributeValueMemberNS{Value: []string{"1", g.pick("2", "10")}}
	}
	return g.scalar()
}

// typed is a value that usually has the type that the attribute's name suggests.
func (g *generator) typed(name string) types.AttributeValue {
	if g.IntN(8) == 0 {
		return g.value()
	}
	switch name {
	case "n", "pt":
		return n(g.pick("0", "1", "-1", "2", "10", "1.5"))
	case "l":
		return &types.AttributeValueMemberL{Value: []types.AttributeValue{g.scalar(), g.value()}}
	case "m":
		return &types.AttributeValueMemberM{Value: item{"a": g.value(), "n": n("1")}}
	case "ss":
		return &types.AttributeValueMemberSS{Value: []string{"x", g.pick("y", "z")}}
	case "ns":
		return &types.AttributeValueMemberNS{Value: []string{"1", g.pick("2", "10")}}
	}
	return s(g.pick("x", "xy", "w"))
}

var attributes = []string{"n", "s", "l", "m", "ss", "ns", "pw", "pt", "why"}

func (g *generator) item() item {
	i := g.key()
	for range g.IntN(7) {
		name := g.pick(attributes...)
		if i[name] = g.typed(name); name == "pw" || name == "pt" {
			i[name] = g.indexed(name)
		}
	}
	return i
}

// path is a document path; some of its names are placeholders.
func (g *generator) path() string {
	root := g.pick(attributes...)
	if g.IntN(4) == 0 {
		g.names["#"+root] = root
		root = "#" + root
	}
	switch {
	case strings.HasSuffix(root, "m") && g.IntN(2) == 0:
		root += "." + g.pick("a", "b", "n") + g.pick("", "", "[0]", ".a")
	case strings.HasSuffix(root, "l") && g.IntN(2) == 0:
		root += "[" + g.pick("0", "1", "5") + "]" + g.pick("", "", ".a")
	}
	return root
}

// target is a path that an update may change to anything: not a key of an index.
func (g *generator) target() string {
	for {
		if p := g.path(); !strings.Contains(p, "p") {
			return p
		}
	}
}

// indexed is a value of the type that an index wants.
func (g *generator) indexed(name string) types.AttributeValue {
	if name == "pt" {
		return n(g.pick("0", "1", "2"))
	}
	return s(g.pick("x", "xy", "w"))
}

func (g *generator) placeholder(v types.AttributeValue) string {
	name := fmt.Sprintf(":v%d", len(g.values))
	g.values[name] = v
	return name
}

func (g *generator) operand() string {
	switch g.IntN(6) {
	case 0, 1:
		return g.placeholder(g.value())
	case 2:
		return "size(" + g.path() + ")"
	}
	return g.path()
}

func (g *generator) condition(depth int) string {
	if depth > 0 {
		switch g.IntN(5) {
		case 0:
			return g.condition(depth-1) + " AND " + g.condition(depth-1)
		case 1:
			return g.condition(depth-1) + " OR " + g.condition(depth-1)
		case 2:
			return "NOT " + g.condition(depth-1)
		case 3:
			return "(" + g.condition(depth-1) + ") AND " + g.condition(0)
		}
	}
	switch g.IntN(9) {
	case 0:
		return "attribute_exists(" + g.path() + ")"
	case 1:
		return "attribute_not_exists(" + g.path() + ")"
	case 2:
		return "attribute_type(" + g.path() + ", " + g.placeholder(s(g.pick("S", "N", "L", "M", "SS", "BOOL", "NULL"))) + ")"
	case 3:
		return "begins_with(" + g.path() + ", " + g.placeholder(s(g.pick("", "x", "xy"))) + ")"
	case 4:
		return "contains(" + g.path() + ", " + g.operand() + ")"
	case 5:
		return g.operand() + " BETWEEN " + g.placeholder(n("0")) + " AND " + g.placeholder(n("2"))
	case 6:
		return g.operand() + " IN (" + g.operand() + ", " + g.operand() + ")"
	}
	return g.operand() + " " + g.pick("=", "<>", "<", "<=", ">", ">=") + " " + g.operand()
}

func (g *generator) assigned() string {
	switch g.IntN(7) {
	case 0:
		return "if_not_exists(" + g.path() + ", " + g.placeholder(g.value()) + ")"
	case 1:
		return "list_append(" + g.path() + ", " + g.placeholder(g.typed("l")) + ")"
	case 2:
		return "if_not_exists(n, " + g.placeholder(n("0")) + ") + " + g.placeholder(n(g.pick("1", "-1", "0.5")))
	case 3:
		return "n - " + g.placeholder(n("1"))
	case 4:
		return g.path()
	}
	return g.placeholder(g.value())
}

func (g *generator) update() string {
	var clauses []string
	if g.IntN(3) > 0 {
		actions := []string{}
		for range 1 + g.IntN(3) {
			if g.IntN(5) == 0 {
				name := g.pick("pw", "pt")
				actions = append(actions, name+" = "+g.placeholder(g.indexed(name)))
				continue
			}
			actions = append(actions, g.target()+" = "+g.assigned())
		}
		clauses = append(clauses, "SET "+strings.Join(actions, ", "))
	}
	if g.IntN(3) == 0 {
		clauses = append(clauses, "REMOVE "+g.target())
	}
	if g.IntN(3) == 0 {
		name := g.pick("n", "ss", "ns", "m.n")
		clauses = append(clauses, "ADD "+name+" "+g.placeholder(g.typed(name)))
	}
	if g.IntN(4) == 0 {
		name := g.pick("ss", "ns")
		clauses = append(clauses, "DELETE "+name+" "+g.placeholder(g.typed(name)))
	}
	if len(clauses) == 0 {
		return "REMOVE " + g.pick("pw", "pt", "n", "l[0]", "m.a")
	}
	return strings.Join(clauses, " ")
}

// begin forgets the placeholders of the request before.
func (g *generator) begin() { g.names, g.values = map[string]string{}, item{} }

func (g *generator) bound() (map[string]string, item) {
	names, values := g.names, g.values
	if len(names) == 0 {
		names = nil
	}
	if len(values) == 0 {
		values = nil
	}
	return names, values
}

func (g *generator) maybe(odds int, text func() string) *string {
	if g.IntN(odds) > 0 {
		return nil
	}
	return aws.String(text())
}

func (g *generator) anyCondition() string { return g.condition(2) }

func (g *generator) putInput() *sdk.PutItemInput {
	g.begin()
	in := &sdk.PutItemInput{TableName: aws.String("Inbox"), Item: g.item(), ConditionExpression: g.maybe(3, g.anyCondition),
		ReturnValues: types.ReturnValue(g.pick("NONE", "ALL_OLD")), ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes}
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = g.bound()
	return in
}

func (g *generator) updateInput() *sdk.UpdateItemInput {
	g.begin()
	in := &sdk.UpdateItemInput{TableName: aws.String("Inbox"), Key: g.key(), UpdateExpression: aws.String(g.update()),
		ConditionExpression:    g.maybe(4, g.anyCondition),
		ReturnValues:           types.ReturnValue(g.pick("NONE", "ALL_OLD", "ALL_NEW")),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes}
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = g.bound()
	return in
}

func (g *generator) deleteInput() *sdk.DeleteItemInput {
	g.begin()
	in := &sdk.DeleteItemInput{TableName: aws.String("Inbox"), Key: g.key(), ConditionExpression: g.maybe(3, g.anyCondition),
		ReturnValues: types.ReturnValue(g.pick("NONE", "ALL_OLD"))}
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = g.bound()
	return in
}

func (g *generator) getInput() *sdk.GetItemInput {
	g.begin()
	in := &sdk.GetItemInput{TableName: aws.String("Inbox"), Key: g.key(),
		ProjectionExpression: g.maybe(2, func() string { return g.path() + ", " + g.path() })}
	in.ExpressionAttributeNames, _ = g.bound()
	return in
}

func (g *generator) queryInput() *sdk.QueryInput {
	g.begin()
	in := &sdk.QueryInput{TableName: aws.String("Inbox"), ScanIndexForward: aws.Bool(g.IntN(2) == 0)}
	if g.IntN(3) == 0 {
		in.IndexName = aws.String("parked")
		in.KeyConditionExpression = aws.String("pw = " + g.placeholder(s(g.pick("x", "xy", "w"))) + g.pick("",
			" AND pt "+g.pick("<", "<=", ">", ">=", "=")+" "+g.placeholder(n(g.pick("0", "1", "2")))))
	} else {
		in.KeyConditionExpression = aws.String("pk = " + g.placeholder(s(g.pick("a", "b"))))
		switch g.IntN(4) {
		case 0:
			*in.KeyConditionExpression += " AND sk " + g.pick("<", "<=", ">", ">=", "=") + " " + g.placeholder(s(g.pick("1", "2", "3")))
		case 1:
			*in.KeyConditionExpression += " AND begins_with(sk, " + g.placeholder(s("3")) + ")"
		case 2:
			*in.KeyConditionExpression += " AND sk BETWEEN " + g.placeholder(s("2")) + " AND " + g.placeholder(s("3"))
		}
		if g.IntN(2) == 0 {
			in.Limit = aws.Int32(int32(1 + g.IntN(3)))
		}
	}
	for name := range g.values {
		if !strings.Contains(*in.KeyConditionExpression, name) {
			delete(g.values, name)
		}
	}
	in.FilterExpression = g.maybe(3, g.anyCondition)
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = g.bound()
	return in
}

func (g *generator) scanInput() *sdk.ScanInput {
	g.begin()
	in := &sdk.ScanInput{TableName: aws.String("Inbox"), FilterExpression: g.maybe(2, g.anyCondition)}
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = g.bound()
	return in
}

func (g *generator) transactInput() *sdk.TransactWriteItemsInput {
	in := &sdk.TransactWriteItemsInput{}
	for range 1 + g.IntN(3) {
		var entry types.TransactWriteItem
		always := types.ReturnValuesOnConditionCheckFailureAllOld
		switch g.IntN(4) {
		case 0:
			p := g.putInput()
			entry.Put = &types.Put{TableName: p.TableName, Item: p.Item, ConditionExpression: p.ConditionExpression,
				ExpressionAttributeNames: p.ExpressionAttributeNames, ExpressionAttributeValues: p.ExpressionAttributeValues,
				ReturnValuesOnConditionCheckFailure: always}
		case 1:
			u := g.updateInput()
			entry.Update = &types.Update{TableName: u.TableName, Key: u.Key, UpdateExpression: u.UpdateExpression,
				ConditionExpression: u.ConditionExpression, ExpressionAttributeNames: u.ExpressionAttributeNames,
				ExpressionAttributeValues: u.ExpressionAttributeValues, ReturnValuesOnConditionCheckFailure: always}
		case 2:
			d := g.deleteInput()
			entry.Delete = &types.Delete{TableName: d.TableName, Key: d.Key, ConditionExpression: d.ConditionExpression,
				ExpressionAttributeNames: d.ExpressionAttributeNames, ExpressionAttributeValues: d.ExpressionAttributeValues}
		default:
			g.begin()
			c := &types.ConditionCheck{TableName: aws.String("Inbox"), Key: g.key(), ConditionExpression: aws.String(g.anyCondition())}
			c.ExpressionAttributeNames, c.ExpressionAttributeValues = g.bound()
			entry.ConditionCheck = c
		}
		in.TransactItems = append(in.TransactItems, entry)
	}
	return in
}
