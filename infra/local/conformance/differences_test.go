package conformance

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

// AWS's pages, by their titles. Where they are silent, what users of the service have measured and published decides.
const (
	guide      = "developer guide, "
	reference  = "API reference, "
	measured   = "measured on AWS by its users; the pages are silent"
	errorTexts = guide + "\"Error handling with DynamoDB\": the message of a ValidationException varies; " +
		"here it is the service's, as its users quote it"
)

var differences = []difference{
	{
		here:  "a number comes back in one form, `20` or `0.5`, at any depth and in messages",
		there: "`2e1` and `0.50` come back as they were written",
		page:  guide + "\"Supported data types and naming rules\": leading and trailing zeros are trimmed",
		mend:  (*exchange).numbers,
	},
	{
		here:  "a zero with an exponent that no number has is refused",
		there: "it is a zero",
		page:  measured,
		mend:  (*exchange).zeroExponents,
	},
	{
		here:  "an Update of a transaction must have its UpdateExpression",
		there: "it makes the item",
		page:  reference + "Update: UpdateExpression is required",
		mend:  (*exchange).nothingToUpdate,
	},
	{
		here:  "what names nothing is refused: an unknown value of an enumeration",
		there: "some are not looked at, or after the effect",
		page:  reference + "the valid values of each parameter",
		mend:  (*exchange).enumerations,
	},
	{
		here:  "DeleteItem reports capacity when it is asked to",
		there: "always, if there was an item",
		page:  reference + "DeleteItem, ReturnConsumedCapacity",
		mend:  (*exchange).uncalledCapacity,
	},
	{
		here:  "reading nothing costs half a unit, or one if consistent",
		there: "nothing, in Query, Scan and BatchGetItem",
		page:  guide + "\"DynamoDB read and write operations\": an item that does not exist costs as the smallest one",
		mend:  (*exchange).emptyReads,
	},
	{
		here:  "a transaction counts every unit twice",
		there: "TransactWriteItems counts four times, but one entry per table alone, and one unit for a check",
		page:  guide + "\"Amazon DynamoDB Transactions: How it works\", capacity management",
		mend:  (*exchange).transactionUnits,
	},
	{
		here:  "TransactGetItems reports the read units of each table",
		there: "of all tables together only",
		page:  measured,
		mend:  (*exchange).readUnits,
	},
	{
		here:  "deleting nothing costs one unit",
		there: "two, in BatchWriteItem",
		page:  guide + "\"DynamoDB read and write operations\", deletes",
		mend:  (*exchange).emptyDeletes,
	},
	{
		here:  "an index costs units for items that it lists",
		there: "also for those that have its partition key alone",
		page:  guide + "\"Using Global Secondary Indexes in DynamoDB\", write capacity units",
		mend:  (*exchange).indexUnits,
	},
	{
		here:  "an update that gives an index key another type is refused",
		there: "stored, for some types",
		page: guide +
			"\"Using Global Secondary Indexes in DynamoDB\": key attributes have the type that they are declared with",
		mend: (*exchange).indexTypes,
	},
	{
		here:  "a page that ends at its limit has a LastEvaluatedKey",
		there: "not at the end of a range",
		page:  reference + "Query, Limit",
		mend:  (*exchange).lastKey,
	},
	{
		here:  "UPDATED_OLD and UPDATED_NEW return the paths that changed",
		there: "the whole attributes that they lie in",
		page:  reference + "UpdateItem, ReturnValues: only the updated attributes",
		mend:  (*exchange).updatedPaths,
	},
	{
		here:  "a Scan of an index may not filter by what the index lacks",
		there: "it finds nothing there",
		page:  reference + "Scan, Select: attributes that are projected",
		mend:  (*exchange).unprojected,
	},
	{
		here:  "`size` as an attribute's name is refused",
		there: "it is let through",
		page:  guide + "\"Reserved words in DynamoDB\"",
		mend:  (*exchange).sizeAsName,
	},
	{
		here:  "two actions on one item are refused, after all expressions were read and before any item is",
		there: "before, after, or not at all where keys are binary",
		page:  reference + "TransactWriteItems: actions cannot target the same item; the order is " + measured,
		mend:  (*exchange).sameItem,
	},
	{
		here:  "a key that is not the table's, and what depends on an item, cancels a transaction as ValidationError",
		there: "it refuses the transaction",
		page:  reference + "TransactWriteItems and TransactGetItems, cancellation reasons",
		mend:  (*exchange).itemErrors,
	},
	{
		here:  "an item that is too large or too deep refuses a transaction",
		there: "it cancels it",
		page:  measured + ", but for items that become too large by an update",
		mend:  (*exchange).requestErrors,
	},
	{
		here:  "a reason says `The conditional request failed`",
		there: "with a full stop",
		page:  reference + "TransactWriteItems, cancellation reasons",
		mend:  (*exchange).fullStop,
	},
	{
		here:  "of several actions that fail the first by path is named, of several paths that overlap the first two",
		there: "any of them",
		page:  "none: AWS says nothing of it",
		mend:  (*exchange).oneOfSeveral,
	},
	{
		here:  "errors name the attribute, the index and the types",
		there: "shorter texts",
		page:  errorTexts,
		mend:  (*exchange).texts,
	},
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
