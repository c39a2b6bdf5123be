package dynamodb

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"loophub/infra/local/dispatch"
)

// fallbackARN is where a table would lie that does not exist: permissions are checked before existence.
const fallbackARN = "arn:aws:dynamodb:us-east-1:000000000000:table/"

// resource is the ARN that a permission must cover: of the table, or of its index.
func (s *Service) resource(table, index string) string {
	arn := fallbackARN + table
	switch t := s.tables[table[strings.LastIndexByte(table, '/')+1:]]; {
	case t != nil:
		arn = t.spec.ARN
	case strings.HasPrefix(table, "arn:"):
		arn = table
	}
	if index != "" {
		arn += "/index/" + index
	}
	return arn
}

// read decodes as much of a request as its permissions depend on.
func read(body []byte, in any) error {
	if err := json.Unmarshal(body, in); err != nil {
		return &dispatch.Error{Status: http.StatusBadRequest, Code: "SerializationException",
			Message: fmt.Sprintf("the request is not JSON of the protocol: %v", err)}
	}
	return nil
}

// single is what an operation on one table or index needs.
func single(action string) func(*Service, []byte) ([]dispatch.Need, error) {
	return func(s *Service, body []byte) ([]dispatch.Need, error) {
		var in struct{ TableName, IndexName string }
		if err := read(body, &in); err != nil {
			return nil, err
		}
		return []dispatch.Need{{Action: "dynamodb:" + action, Resource: s.resource(in.TableName, in.IndexName)}}, nil
	}
}

// batch is what an operation on many tables needs: its action on each.
func batch(action string) func(*Service, []byte) ([]dispatch.Need, error) {
	return func(s *Service, body []byte) ([]dispatch.Need, error) {
		var in struct{ RequestItems map[string]json.RawMessage }
		if err := read(body, &in); err != nil {
			return nil, err
		}
		var needs []dispatch.Need
		for _, name := range sortedNames(in.RequestItems) {
			needs = append(needs, dispatch.Need{Action: "dynamodb:" + action, Resource: s.resource(name, "")})
		}
		return needs, nil
	}
}

// entryActions are the permissions that the entries of a transaction need (developer guide, "Using IAM with DynamoDB
// transactions", read 2026-11-22).
var entryActions = map[string]string{
	"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem",
}

// transactionNeeds is what a transaction needs: one permission per kind of entry and table.
func transactionNeeds(s *Service, body []byte) ([]dispatch.Need, error) {
	var in struct {
		TransactItems []map[string]struct{ TableName string }
	}
	if err := read(body, &in); err != nil {
		return nil, err
	}
	var needs []dispatch.Need
	for _, entry := range in.TransactItems {
		for _, kind := range sortedNames(entry) {
			action, ok := entryActions[kind]
			if !ok {
				return nil, invalid("the local cloud does not implement the parameter \"" + kind + "\"")
			}
			need := dispatch.Need{Action: "dynamodb:" + action, Resource: s.resource(entry[kind].TableName, "")}
			if !slices.Contains(needs, need) {
				needs = append(needs, need)
			}
		}
	}
	return needs, nil
}
