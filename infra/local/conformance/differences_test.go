package conformance

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// exchange is one request and what became of it here and there.
type exchange struct {
	request
	ours, theirs answer
}

func (x *exchange) same() bool { return x.ours.String() == x.theirs.String() }

// difference is something in which the local cloud and DynamoDB Local differ, and the page of AWS that decides for the local
// cloud. The table in the README of infra/local is written from these.
type difference struct {
	here, there, page string
	// mend takes the difference out of the other side's answer, and nothing else.
	mend func(x *exchange)
}

// AWS's pages, all of them read in November 2026.
const (
	developerGuide = "developer guide, "
	apiReference   = "API reference, "
	errorTexts     = developerGuide + "\"Error handling with DynamoDB\": the message of a ValidationException varies; " +
		"here it is the service's, as its users quote it"
)

var differences = []difference{
	{"a number comes back in one form, `20` or `0.5`, at any depth and in messages", "`2e1` and `0.50` come back as they were written",
		developerGuide + "\"Supported data types and naming rules\": leading and trailing zeros are trimmed", (*exchange).numbers},
	{"a zero with an exponent that no number has is refused", "it is a zero",
		developerGuide + "\"Supported data types and naming rules\": what exceeds the range is an exception", (*exchange).zeroExponents},
	{"an Update of a transaction must have its UpdateExpression", "it makes the item", apiReference + "Update: UpdateExpression is required",
		(*exchange).nothingToUpdate},
	{"what names nothing is refused: an unknown value of an enumeration", "some are not looked at, or after the effect",
		apiReference + "the valid values of each parameter", (*exchange).enumerations},
	{"DeleteItem reports capacity when it is asked to", "always, if there was an item", apiReference + "DeleteItem, ReturnConsumedCapacity",
		(*exchange).uncalledCapacity},
	{"reading nothing costs half a unit, or one if consistent", "nothing, in Query, Scan and BatchGetItem",
		developerGuide + "\"DynamoDB read and write operations\": an item that does not exist costs as the smallest one", (*exchange).emptyReads},
	{"a transaction counts every unit twice", "TransactWriteItems counts four times, but one entry per table alone, and one unit for a check",
		developerGuide + "\"Amazon DynamoDB Transactions: How it works\", capacity management", (*exchange).transactionUnits},
	{"TransactGetItems reports the read units of each table", "of all tables together only", apiReference + "Capacity, ReadCapacityUnits",
		(*exchange).readUnits},
	{"deleting nothing costs one unit", "two, in BatchWriteItem", developerGuide + "\"DynamoDB read and write operations\", deletes",
		(*exchange).emptyDeletes},
	{"an index costs units for items that it lists", "also for those that have its partition key alone",
		developerGuide + "\"Using Global Secondary Indexes in DynamoDB\", write capacity units", (*exchange).indexUnits},
	{"an update that gives an index key another type is refused", "stored, for some types",
		developerGuide + "\"Using Global Secondary Indexes in DynamoDB\": key attributes have the type that they are declared with",
		(*exchange).indexTypes},
	{"a page that ends at its limit has a LastEvaluatedKey", "not at the end of a range", apiReference + "Query, Limit", (*exchange).lastKey},
	{"UPDATED_OLD and UPDATED_NEW return the paths that changed", "the whole attributes that they lie in",
		apiReference + "UpdateItem, ReturnValues: only the updated attributes", (*exchange).updatedPaths},
	{"a Scan of an index may not filter by what the index lacks", "it finds nothing there", apiReference + "Scan, Select: attributes that are projected",
		(*exchange).unprojected},
	{"`size` as an attribute's name is refused", "it is let through", developerGuide + "\"Reserved words in DynamoDB\"", (*exchange).sizeAsName},
	{"two actions on one item are refused, after all expressions were read and before any item is", "before, after, or not at all where keys are binary",
		apiReference + "TransactWriteItems: actions cannot target the same item", (*exchange).sameItem},
	{"a key that is not the table's, and what depends on an item, cancels a transaction as ValidationError", "it refuses the transaction",
		apiReference + "TransactWriteItems and TransactGetItems, cancellation reasons", (*exchange).itemErrors},
	{"an item that is too large or too deep refuses a transaction", "it cancels it",
		apiReference + "TransactWriteItems: user errors reject the request", (*exchange).requestErrors},
	{"a reason says `The conditional request failed`", "with a full stop", apiReference + "TransactWriteItems, cancellation reasons", (*exchange).fullStop},
	{"of several actions that fail the first by path is named, of several paths that overlap the first two", "any of them",
		"none: AWS says nothing of it", (*exchange).oneOfSeveral},
	{"errors name the attribute, the index and the types", "shorter texts", errorTexts, (*exchange).texts},
}

// resolve applies every difference and returns those that were met. What is left of theirs must be ours.
func (x *exchange) resolve() []int {
	var met []int
	for i, d := range differences {
		if x.same() {
			break
		}
		before := x.theirs.String()
		if d.mend(x); x.theirs.String() != before {
			met = append(met, i)
		}
	}
	return met
}

var writtenNumber = regexp.MustCompile(`\{N:([^}]*)\}`)

func (x *exchange) numbers() {
	if x.theirs.Body != nil {
		x.theirs.Body = canonical(x.theirs.Body).(object)
		x.theirs = x.normal(x.theirs)
	}
	x.theirs.Message = writtenNumber.ReplaceAllStringFunc(x.theirs.Message, func(s string) string {
		return "{N:" + canonicalNumber(s[3:len(s)-1]) + "}"
	})
}

func (x *exchange) zeroExponents() {
	if strings.Contains(x.ours.Message, "Number overflow") && strings.Contains(string(x.text()), `"0e126"`) {
		x.theirs = x.ours
	}
}

func (x *exchange) nothingToUpdate() {
	if strings.Contains(x.ours.Message, ".member.update.updateExpression' failed to satisfy constraint") {
		x.theirs = x.ours
	}
}

func (x *exchange) enumerations() {
	if x.misnamed() {
		x.theirs = x.ours
	}
}

// misnamed says whether the request names nothing, so that the other side may have carried it out.
func (x *exchange) misnamed() bool {
	return strings.Contains(x.ours.Message, "Member must satisfy enum value set")
}

func (x *exchange) uncalledCapacity() {
	asked := x.body["ReturnConsumedCapacity"]
	if x.operation == "DeleteItem" && x.ours.Body["ConsumedCapacity"] == nil && (asked == nil || asked == "NONE") {
		delete(x.theirs.Body, "ConsumedCapacity")
	}
}

// capacities are the reports of an answer, one per table.
func (a answer) capacities() []object {
	switch c := a.Body["ConsumedCapacity"].(type) {
	case object:
		return []object{c}
	case []any:
		var all []object
		for _, one := range c {
			all = append(all, one.(object))
		}
		return all
	}
	return nil
}

// each calls f for the reports of both sides, if they are about the same tables.
func (x *exchange) each(f func(ours, theirs object)) {
	ours, theirs := x.ours.capacities(), x.theirs.capacities()
	if len(ours) != len(theirs) {
		return
	}
	for i := range ours {
		if ours[i]["TableName"] == theirs[i]["TableName"] {
			f(ours[i], theirs[i])
		}
	}
}

func units(o any) float64 {
	one, _ := o.(object)
	u, _ := one["CapacityUnits"].(float64)
	return u
}

// add adds units to a report or to a part of it, in every member that counts them.
func add(o any, more float64) {
	one, _ := o.(object)
	for _, name := range []string{"CapacityUnits", "ReadCapacityUnits", "WriteCapacityUnits"} {
		if u, ok := one[name].(float64); ok {
			one[name] = u + more
		}
	}
}

func (x *exchange) emptyReads() {
	least := func(consistent any) float64 {
		if consistent == true {
			return 1
		}
		return 0.5
	}
	x.each(func(_, theirs object) {
		switch {
		case (x.operation == "Query" || x.operation == "Scan") && x.theirs.Body["ScannedCount"] == 0.0:
			more := least(x.body["ConsistentRead"])
			add(theirs, more)
			part := theirs["Table"]
			if indexes, ok := theirs["GlobalSecondaryIndexes"].(object); ok {
				part = indexes[x.body["IndexName"].(string)]
			}
			add(part, more)
		case x.operation == "BatchGetItem":
			name := theirs["TableName"].(string)
			asked := x.body["RequestItems"].(object)[name].(object)
			found := x.theirs.Body["Responses"].(object)[name].([]any)
			more := float64(len(asked["Keys"].([]any))-len(found)) * least(asked["ConsistentRead"])
			add(theirs, more)
			add(theirs["Table"], more)
		}
	})
}

func (x *exchange) transactionUnits() {
	if x.operation != "TransactWriteItems" {
		return
	}
	x.each(func(ours, theirs object) {
		switch {
		case units(ours) == units(theirs):
			return
		case (x.entriesOf(theirs["TableName"]) > 1 || x.checks(theirs["TableName"])) && units(theirs) <= 4*units(ours):
			clear(theirs)
			maps.Copy(theirs, ours)
			return
		}
		parts := []any{theirs, theirs["Table"]}
		indexes, _ := theirs["GlobalSecondaryIndexes"].(object)
		for _, i := range indexes {
			parts = append(parts, i)
		}
		for _, part := range parts {
			add(part, -units(part)/2)
		}
	})
}

// checks says whether a transaction only checks something of a table.
func (x *exchange) checks(table any) bool {
	return slices.ContainsFunc(x.body["TransactItems"].([]any), func(entry any) bool {
		check, ok := entry.(object)["ConditionCheck"].(object)
		return ok && check["TableName"] == table
	})
}

// entriesOf counts the entries of a transaction that are about a table.
func (x *exchange) entriesOf(table any) int {
	count := 0
	for _, entry := range x.body["TransactItems"].([]any) {
		for _, one := range entry.(object) {
			if one.(object)["TableName"] == table {
				count++
			}
		}
	}
	return count
}

func (x *exchange) readUnits() {
	if x.operation != "TransactGetItems" {
		return
	}
	x.each(func(_, theirs object) {
		if table, ok := theirs["Table"].(object); ok && table["ReadCapacityUnits"] == nil {
			table["ReadCapacityUnits"] = table["CapacityUnits"]
		}
	})
}

func (x *exchange) emptyDeletes() {
	if x.operation != "BatchWriteItem" {
		return
	}
	x.each(func(ours, theirs object) {
		name := theirs["TableName"].(string)
		deletes := 0
		for _, w := range x.body["RequestItems"].(object)[name].([]any) {
			if w.(object)["DeleteRequest"] != nil {
				deletes++
			}
		}
		surplus := units(theirs) - units(ours)
		if theirs["Table"] != nil {
			surplus = units(theirs["Table"]) - units(ours["Table"])
		}
		if surplus > 0 && surplus <= float64(deletes) {
			add(theirs, -surplus)
			add(theirs["Table"], -surplus)
		}
	})
}

// indexUnits takes away what an index with a sort key costs there and not here.
func (x *exchange) indexUnits() {
	x.each(func(ours, theirs object) {
		name, _ := theirs["TableName"].(string)
		index := map[string]string{pairs.table: "parked", numbered.table: "keys"}[name]
		if index == "" {
			return
		}
		indexes, detailed := theirs["GlobalSecondaryIndexes"].(object)
		here, _ := ours["GlobalSecondaryIndexes"].(object)
		surplus := units(indexes[index]) - units(here[index])
		if !detailed {
			surplus = units(theirs) - units(ours)
		}
		if surplus <= 0 {
			return
		}
		add(theirs, -surplus)
		if !detailed {
			return
		}
		if add(indexes[index], -surplus); units(indexes[index]) == 0 {
			delete(indexes, index)
		}
		if len(indexes) == 0 {
			delete(theirs, "GlobalSecondaryIndexes")
		}
	})
}

func (x *exchange) indexTypes() {
	if strings.Contains(x.ours.String(), "Type mismatch for Index Key") && x.theirs.Code == "" {
		x.theirs = x.ours
	}
}

func (x *exchange) lastKey() {
	scanned, ok := x.ours.Body["ScannedCount"].(float64)
	if limit, limited := x.body["Limit"].(int); ok && limited && int(scanned) == limit && x.theirs.Body["LastEvaluatedKey"] == nil {
		x.theirs.Body["LastEvaluatedKey"] = x.ours.Body["LastEvaluatedKey"]
	}
}

// updatedPaths reduces what is returned there to what is returned here, if that is a part of it.
func (x *exchange) updatedPaths() {
	wanted := x.body["ReturnValues"]
	if x.operation != "UpdateItem" || wanted != "UPDATED_OLD" && wanted != "UPDATED_NEW" {
		return
	}
	ours, _ := x.ours.Body["Attributes"].(object)
	theirs, ok := x.theirs.Body["Attributes"].(object)
	if !ok {
		return
	}
	for name, v := range theirs {
		switch {
		case ours[name] == nil && strings.Contains(x.body["UpdateExpression"].(string), name):
			delete(theirs, name)
		case ours[name] != nil && within(ours[name], v):
			theirs[name] = ours[name]
		}
	}
	if len(theirs) == 0 {
		delete(x.theirs.Body, "Attributes")
	}
}

// within says whether a value is a part of another: some members of a map, some elements of a list in their order.
func within(part, whole any) bool {
	if jsonText(part) == jsonText(whole) {
		return true
	}
	switch p := part.(type) {
	case object:
		w, ok := whole.(object)
		for name, v := range p {
			ok = ok && w[name] != nil && within(v, w[name])
		}
		return ok
	case []any:
		w, _ := whole.([]any)
		for _, e := range p {
			i := slices.IndexFunc(w, func(c any) bool { return within(e, c) })
			if i < 0 {
				return false
			}
			w = w[i+1:]
		}
		return true
	}
	return false
}

func (x *exchange) unprojected() {
	if x.operation == "Scan" && x.theirs.Code == "" && strings.Contains(x.ours.Message, "does not project one or more filter attributes") {
		x.theirs = x.ours
	}
}

func (x *exchange) sizeAsName() {
	if strings.HasSuffix(x.ours.Message, "Attribute name is a reserved keyword; reserved keyword: size") {
		x.theirs = x.ours
	}
}

func (x *exchange) sameItem() {
	const repeated = "Transaction request cannot include multiple operations on one item"
	if x.ours.Message == repeated || x.theirs.Message == repeated && strings.HasPrefix(x.ours.Message, "Invalid ") {
		x.theirs = x.ours
	}
}

// itemErrors are refusals that depend on what is stored.
var itemErrorTexts = []string{
	"The document path provided in the update expression is invalid for update",
	"The provided expression refers to an attribute that does not exist in the item",
	"An operand in the update expression has an incorrect data type",
	"DynamoDB only supports precision up to 38 digits",
	"Attempting to store more than 38 significant digits in a Number",
	"Number overflow. Attempting to store a number with magnitude larger than supported range",
	"Item size has exceeded the maximum allowed size",
	"Item size to update has exceeded the maximum allowed size",
}

func itemError(a answer) bool {
	return a.Code == "ValidationException" && slices.Contains(itemErrorTexts, a.Message)
}

// itemErrors makes a refusal a cancellation, if one of its reasons is that very refusal.
func (x *exchange) itemErrors() {
	if x.ours.Code != "TransactionCanceledException" || x.theirs.Body["CancellationReasons"] != nil ||
		x.theirs.Code != "ValidationException" && x.theirs.Code != "TransactionCanceledException" {
		return
	}
	for _, r := range x.ours.Body["CancellationReasons"].([]any) {
		one := r.(object)
		if one["Code"] == "ValidationError" && sameError(fmt.Sprint(one["Message"]), x.theirs.Message) {
			x.theirs = x.ours
			return
		}
	}
}

// requestErrors is the opposite.
func (x *exchange) requestErrors() {
	reasons, _ := x.theirs.Body["CancellationReasons"].([]any)
	if x.ours.Code != "ValidationException" {
		return
	}
	for _, r := range reasons {
		if one := r.(object); one["Code"] == "ValidationError" && sameError(x.ours.Message, fmt.Sprint(one["Message"])) {
			x.theirs = x.ours
			return
		}
	}
}

// sameError says whether two texts are of one error, or each of one that depends on an item.
func sameError(here, there string) bool {
	x := exchange{ours: answer{Message: here}, theirs: answer{Message: there}}
	x.texts()
	return x.same() || slices.Contains(itemErrorTexts, here) && slices.Contains(itemErrorTexts, there)
}

func (x *exchange) fullStop() {
	reasons, _ := x.theirs.Body["CancellationReasons"].([]any)
	for _, r := range reasons {
		if one := r.(object); one["Message"] == "The conditional request failed." {
			one["Message"] = "The conditional request failed"
		}
	}
}

var actionWord = regexp.MustCompile(`(?i)\b(set|remove|add|delete) `)

// several says whether an update has more than one action.
func several(expression string) bool {
	depth, actions := 0, len(actionWord.FindAllString(expression, -1))
	for _, r := range expression {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			actions++
		}
	}
	return actions > 1
}

func (x *exchange) oneOfSeveral() {
	const overlap = "Two document paths overlap with each other"
	expression, _ := x.body["UpdateExpression"].(string)
	if strings.Contains(x.ours.Message, overlap) && strings.Contains(x.theirs.Message, overlap) ||
		several(expression) && itemError(x.ours) && itemError(x.theirs) {
		x.theirs = x.ours
	}
}
