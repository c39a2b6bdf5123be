package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/meter"
)

// operation is one API operation: the action that it needs, "" for those of moveNeeds, and what carries it out.
type operation struct {
	action string
	serve  func(*Service, context.Context, dispatch.Call) (any, error)
}

// A batch needs the permission of its single operation.
var operations = map[string]operation{
	"SendMessage":                  {"SendMessage", (*Service).sendMessage},
	"SendMessageBatch":             {"SendMessage", (*Service).sendMessageBatch},
	"ReceiveMessage":               {"ReceiveMessage", (*Service).receiveMessage},
	"DeleteMessage":                {"DeleteMessage", (*Service).deleteMessage},
	"DeleteMessageBatch":           {"DeleteMessage", (*Service).deleteMessageBatch},
	"ChangeMessageVisibility":      {"ChangeMessageVisibility", (*Service).changeVisibility},
	"ChangeMessageVisibilityBatch": {"ChangeMessageVisibility", (*Service).changeVisibilityBatch},
	"GetQueueAttributes":           {"GetQueueAttributes", (*Service).getQueueAttributes},
	"GetQueueUrl":                  {"GetQueueUrl", (*Service).getQueueURL},
	"StartMessageMoveTask":         {"", (*Service).startMove},
	"ListMessageMoveTasks":         {"", (*Service).listMoves},
	"CancelMessageMoveTask":        {"", (*Service).cancelMove},
}

// Operations lists what is implemented.
func Operations() []string { return slices.Sorted(maps.Keys(operations)) }

// Serve implements dispatch.Service.
func (s *Service) Serve(ctx context.Context, c dispatch.Call) (dispatch.Reply, error) {
	op, ok := operations[c.Operation]
	if !ok {
		return dispatch.Reply{}, dispatch.Unimplemented(c)
	}
	out, err := op.serve(s, ctx, c)
	if err != nil {
		return dispatch.Reply{}, err
	}
	reply, err := dispatch.JSON(http.StatusOK, out)
	meter.Of(ctx).Billed = meter.Chunks(max(len(c.Body), len(reply.Body)))
	return reply, err
}

// Needs implements dispatch.Service.
func (s *Service) Needs(c dispatch.Call) ([]dispatch.Need, error) {
	op, ok := operations[c.Operation]
	if !ok {
		return nil, dispatch.Unimplemented(c)
	}
	if op.action == "" {
		return s.moveNeeds(c)
	}
	var in struct{ QueueUrl, QueueName string }
	if err := json.Unmarshal(c.Body, &in); err != nil {
		return nil, invalid("the request is no JSON: %v", err)
	}
	if in.QueueUrl == "" && in.QueueName != "" {
		in.QueueUrl = "/" + in.QueueName
	}
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return []dispatch.Need{{Action: "sqs:" + op.action, Resource: q.ARN}}, nil
}

// find looks a queue up by URL. The host does not matter: a program may have learnt the URL through another door.
func (s *Service) find(url string) (*queue, error) {
	if url == "" {
		return nil, missing("QueueUrl")
	}
	q := s.byName[url[strings.LastIndexByte(url, '/')+1:]]
	if q == nil {
		return nil, &dispatch.Error{Code: "QueueDoesNotExist", Message: "The specified queue does not exist."}
	}
	return q, nil
}

func invalid(format string, args ...any) error {
	return &dispatch.Error{Code: "InvalidParameterValueException", Message: fmt.Sprintf(format, args...)}
}

func missing(name string) error {
	return &dispatch.Error{Code: "MissingParameterException",
		Message: "The request must contain the parameter " + name + "."}
}

// between checks an optional number of a request.
func between(name string, v *int, low, high int) error {
	if v != nil && (*v < low || *v > high) {
		return invalid("Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.",
			*v, name, low, high)
	}
	return nil
}

// failure is an entry of a batch that did not succeed.
type failure struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

func failed(id string, err error) failure {
	f := failure{ID: id, Code: errInternal.Code, Message: err.Error()}
	if e, ok := errors.AsType[*dispatch.Error](err); ok {
		f.SenderFault = e.Status < http.StatusInternalServerError
		f.Code, f.Message = strings.TrimSuffix(e.Code, "Exception"), e.Message
	}
	return f
}

// errInternal is how an entry fails through no fault of its sender.
var errInternal = &dispatch.Error{Status: http.StatusInternalServerError, Code: "InternalError",
	Message: "We encountered an internal error. Please try again."}

// checkBatch applies the rules that all batches share.
func checkBatch(ids []string) error {
	if len(ids) == 0 {
		return &dispatch.Error{Code: "EmptyBatchRequest",
			Message: "There should be at least one entry in the request."}
	}
	if len(ids) > 10 {
		return &dispatch.Error{Code: "TooManyEntriesInBatchRequest",
			Message: fmt.Sprintf("Maximum number of entries per request are 10. You have sent %d.", len(ids))}
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if !validID(id) {
			return &dispatch.Error{Code: "InvalidBatchEntryId", Message: "A batch entry id can only contain " +
				"alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."}
		}
		if seen[id] {
			return &dispatch.Error{Code: "BatchEntryIdsNotDistinct", Message: "Id " + id + " repeated."}
		}
		seen[id] = true
	}
	return nil
}

func validID(id string) bool {
	return id != "" && len(id) <= 80 && strings.IndexFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
	}) < 0
}
