package conformance

import (
	"regexp"
	"slices"
)

// text is one error in two wordings.
type text struct{ there, here *regexp.Regexp }

func worded(there, here string) text {
	return text{regexp.MustCompile("^(?:" + there + ")$"), regexp.MustCompile("^(?:" + here + ")$")}
}

const (
	values = "One or more parameter values were invalid: "
	member = "1 validation error detected: Value .* at '.*' failed to satisfy constraint: Member must "
)

var texts = []text{
	worded("Cannot do operations on a non-existent table", "Requested resource not found"),
	worded("The number of conditions on the keys is invalid", "The provided key element does not match the schema"),
	worded("One of the required keys was not given a value", values+"Missing the key .+ in the item"),
	worded("Invalid attribute value type",
		"The provided key element does not match the schema|"+values+"Type mismatch for .+"),
	worded(values+"Type mismatch for .+", values+"Type mismatch for .+ [aA]ctual: .+"),
	worded("Hash primary key values must be under 2048 bytes, and range primary key values must be under 1024 bytes",
		values+"(Size of hashkey|Aggregated size of all range keys) has exceeded .+"),
	worded("(.*)A value provided cannot be converted into a number(.*)",
		"(.*)The parameter cannot be converted to a numeric value(.*)"),
	worded("(.*)DynamoDB only supports precision up to 38 digits(.*)",
		"(.*)Attempting to store more than 38 significant digits in a Number(.*)"),
	worded("Return values set to invalid value", "ReturnValues can only be ALL_OLD or NONE|"+member+".+"),
	worded("Cannot have null key for GetItem, DeleteItem, or UpdateItem|Item to put in PutItem cannot be null",
		member+"not be null"),
	worded("BatchWriteItem cannot have a null or no requests set|BatchGetItem must have some requests set|"+
		"Value null at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1|"+
		"Member must have length less than or equal to 100", "1 validation error detected: .+"),
	worded("Limit must be greater than or equal to 1|Select must be .+", member+".+"),
	worded("Consistent read cannot be true when (querying|scanning) a GSI",
		"Consistent reads are not supported on global secondary indexes"),
	worded("Exclusive Start Key must have same size as table's key schema", "The provided starting key is invalid: .+"),
	worded(values+"Size limit exceeded", values+"Size of hashkey has exceeded .+"),
	worded("(.*)Nesting Levels have exceeded supported limits(.*)", "(.*)Nesting Levels have exceeded supported limits: .+"),
	worded("(.*)Input collection .+ contains duplicates(.*)", "(.*)Input collection .+ contains duplicates[.](.*)"),
	worded(values+"Global secondary index .+ does not project .+", values+"Global secondary index .+ does not project .+"),
	worded("Value provided in ExpressionAttributeNames unused in expressions: keys: .+",
		"Value provided in ExpressionAttributeNames unused .+"),
	worded("(Invalid .+): Expression size has exceeded the maximum allowed size;",
		"(Invalid .+): Expression size .+ size; expression size: .+"),
	worded("Value (.+) at '(clientRequestToken|transactItems)' failed to satisfy constraint: .+",
		"1 validation error detected: .+"),
	worded("", "The request uses the same client token as a previous, but non-identical request."),
	worded("Type mismatch for attribute to update", "The provided starting key is invalid: .+"),
	worded("One of the required keys was not given a value", "The provided key element does not match the schema"),
	worded(values+"Type mismatch for key",
		values+"Type mismatch for key .+|The provided key element does not match the schema"),
	worded("(Invalid .+ The BETWEEN operator requires .+)HeapByteBuffer.+", "Invalid .+ The BETWEEN operator requires .+"),
	worded("Empty attribute name", values+"Attribute name must not be empty"),
	worded("(.*)contains a key that is too long;", "(.*)contains a key that is too long; size of key: .+"),
	worded("(.*)A value provided cannot be converted into a number(.*)", "(.*)Number (over|under)flow.+"),
	worded("(Invalid .+): Invalid attribute type name found; type: .+",
		"(Invalid .+): Invalid attribute type name found; type: .+"),
	worded("The batch write request list for a table cannot be null or empty: .+|The list of keys in RequestItems for BatchGetItem is required: .+",
		"1 validation error detected: .+"),
	worded("The provided starting key does not match the range key predicate",
		"The provided starting key is outside query boundaries .+"),
	worded("Exclusive Start Key must have same size as table's key schema", "The provided starting key is invalid"),
	worded("If total segments is specified.+|If segment is specified.+|.+ at 'segment' failed .+",
		"The (Total)?Segments? parameter is .+"),
	worded(".+ at '(segment|totalSegments)' failed .+", ".+ at 'totalSegments' failed .+"),
	worded("The provided starting key is invalid", "The provided starting key is invalid: .+"),
	worded("Value null at '.+' failed to satisfy constraint: Member must not be null", member+"not be null"),
	worded("Transaction payload size cannot exceed 4MB.+", "Transaction request cannot include items of an aggregate size .+"),
	worded("(Invalid .+): Incorrect operand type .+ attribute_type, operand type: {.+}",
		"(Invalid .+): Incorrect operand type .+: {.+}"),
	worded("Query condition missed key schema element", "Query condition missed key schema element: .+"),
}

// texts gives their error our words, if both say the same; and so for each reason of a cancellation.
func (x *exchange) texts() {
	if x.ours.Code != x.theirs.Code {
		return
	}
	if sameText(x.ours.Message, x.theirs.Message) {
		x.theirs.Message = x.ours.Message
	}
	ours, _ := x.ours.Body["CancellationReasons"].([]any)
	theirs, _ := x.theirs.Body["CancellationReasons"].([]any)
	for i := range min(len(ours), len(theirs)) {
		here, there := ours[i].(object), theirs[i].(object)
		if here["Message"] != nil && there["Message"] != nil && sameText(here["Message"].(string), there["Message"].(string)) {
			there["Message"] = here["Message"]
		}
	}
}

func sameText(here, there string) bool {
	return slices.ContainsFunc(texts, func(t text) bool { return t.here.MatchString(here) && t.there.MatchString(there) })
}
