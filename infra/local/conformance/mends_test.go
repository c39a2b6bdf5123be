package conformance

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

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

func (x *exchange) indexTypes() {
	if strings.Contains(x.ours.String(), "Type mismatch for Index Key") && x.theirs.Code == "" {
		x.theirs = x.ours
	}
}

func (x *exchange) lastKey() {
	scanned, ok := x.ours.Body["ScannedCount"].(float64)
	if limit, limited := x.body["Limit"].(int); ok && limited && int(scanned) == limit &&
		x.theirs.Body["LastEvaluatedKey"] == nil {
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
	if x.operation == "Scan" && x.theirs.Code == "" && strings.Contains(x.ours.Message,
		"does not project one or more filter attributes") {
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
