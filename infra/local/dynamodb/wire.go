package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/dynamodb/attr"
	"loophub/infra/local/dynamodb/expr"
)

// operation is one API operation: how it is carried out and what it needs.
type operation struct {
	serve func(s *Service, c dispatch.Call) (any, error)
	needs func(s *Service, body []byte) ([]dispatch.Need, error)
}

// operations are those that the local cloud implements. All others are refused.
var operations = map[string]operation{
	"PutItem":            {handle((*Service).putItem), single("PutItem")},
	"GetItem":            {handle((*Service).getItem), single("GetItem")},
	"UpdateItem":         {handle((*Service).updateItem), single("UpdateItem")},
	"DeleteItem":         {handle((*Service).deleteItem), single("DeleteItem")},
	"Query":              {handle((*Service).query), single("Query")},
	"Scan":               {handle((*Service).scan), single("Scan")},
	"BatchGetItem":       {handleBatch((*Service).batchGet), batch("BatchGetItem")},
	"BatchWriteItem":     {handleBatch((*Service).batchWrite), batch("BatchWriteItem")},
	"TransactGetItems":   {handle((*Service).transactGet), transactionNeeds},
	"TransactWriteItems": {handle((*Service).transactWrite), transactionNeeds},
}

// handle makes a handler of a method by reading its request.
func handle[In any](method func(*Service, *In) (any, error)) func(*Service, dispatch.Call) (any, error) {
	return handleBatch(func(s *Service, _ dispatch.Call, in *In) (any, error) { return method(s, in) })
}

// handleBatch is handle for a method that may have to fail a part of its entries.
func handleBatch[In any](method func(*Service, dispatch.Call, *In) (any, error)) func(*Service, dispatch.Call) (any, error) {
	return func(s *Service, c dispatch.Call) (any, error) {
		in := new(In)
		if err := decode(c.Body, in); err != nil {
			return nil, err
		}
		return method(s, c, in)
	}
}

// decode reads a request. Members that the request type lacks are refused: AWS has them, the local cloud would ignore
// them, and the caller would never know.
func decode(body []byte, in any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(in)
	var refused *attr.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return invalid("the local cloud does not implement the parameter " +
			strings.TrimPrefix(err.Error(), "json: unknown field "))
	}
	return &dispatch.Error{Status: http.StatusBadRequest, Code: "SerializationException",
		Message: "the request is not JSON of the protocol: " + err.Error()}
}

func find(name string) (operation, error) {
	op, ok := operations[name]
	if !ok {
		return op, &dispatch.Error{Status: http.StatusBadRequest, Code: "UnknownOperationException",
			Message: "the local cloud does not implement dynamodb:" + name}
	}
	return op, nil
}

// Serve carries out one call.
func (s *Service) Serve(ctx context.Context, c dispatch.Call) (dispatch.Reply, error) {
	op, err := find(c.Operation)
	if err != nil {
		return dispatch.Reply{}, err
	}
	out, err := op.serve(s.during(ctx), c)
	if err != nil {
		return dispatch.Reply{}, protocolError(err)
	}
	return dispatch.JSON(http.StatusOK, out)
}

// Needs names what the caller must be allowed to do.
func (s *Service) Needs(c dispatch.Call) ([]dispatch.Need, error) {
	op, err := find(c.Operation)
	if err != nil {
		return nil, err
	}
	needs, err := op.needs(s, c.Body)
	if err != nil {
		return nil, protocolError(err)
	}
	return needs, nil
}

// protocolError makes an error of the protocol from a refused value.
func protocolError(err error) error {
	var refused *attr.Error
	if errors.As(err, &refused) {
		return &dispatch.Error{Status: http.StatusBadRequest, Code: "ValidationException", Message: refused.Message}
	}
	return err
}

// lookup finds a table by its name or ARN.
func (s *Service) lookup(name string) (*Table, error) {
	if name == "" {
		return nil, missing("tableName")
	}
	if strings.HasPrefix(name, "arn:") {
		name = name[strings.LastIndexByte(name, '/')+1:]
	}
	if t := s.tables[name]; t != nil {
		return t, nil
	}
	return nil, &dispatch.Error{Status: http.StatusBadRequest, Code: "ResourceNotFoundException",
		Message: "Requested resource not found"}
}

// values is ExpressionAttributeValues, which words its errors in its own way.
type values attr.Map

func (v *values) UnmarshalJSON(text []byte) error {
	err := (*attr.Map)(v).UnmarshalJSON(text)
	var refused *attr.Error
	if errors.As(err, &refused) && refused.Name != "" {
		return invalid("ExpressionAttributeValues contains invalid value: " + refused.Message + " for key " + refused.Name)
	}
	return err
}

// MarshalJSON writes the values as a map; a transaction's token is compared by it.
func (v values) MarshalJSON() ([]byte, error) { return attr.Map(v).MarshalJSON() }

// placeholders are what a request gives its expressions.
type placeholders struct {
	ExpressionAttributeNames  map[string]string `json:",omitempty"`
	ExpressionAttributeValues values            `json:",omitempty"`
}

// bind checks the placeholders against the expressions of a request: all of them, and those that may hold values, by
// field name.
func (p placeholders) bind(all, valued map[string]*string) (*expr.Bindings, error) {
	if p.ExpressionAttributeNames != nil && !given(all) {
		return nil, invalid("ExpressionAttributeNames can only be specified when using expressions")
	}
	if p.ExpressionAttributeValues != nil && !given(valued) {
		fields := make([]string, 0, len(valued))
		for f := range valued {
			fields = append(fields, f)
		}
		slices.Sort(fields)
		slices.Reverse(fields)
		verb := " is null"
		if len(fields) > 1 {
			verb = " are null"
		}
		return nil, invalid("ExpressionAttributeValues can only be specified when using expressions: " +
			strings.Join(fields, " and ") + verb)
	}
	return expr.Bind(p.ExpressionAttributeNames, attr.Map(p.ExpressionAttributeValues))
}

func given(expressions map[string]*string) bool {
	for _, e := range expressions {
		if e != nil {
			return true
		}
	}
	return false
}
