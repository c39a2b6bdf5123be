package hub

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/shared/profile"
)

// Registered is a workspace as the registry lists it.
type Registered struct {
	ID       string
	Segments string // digest of its segments; "" = it has none
}

// Workspaces lists all workspaces that have a definition.
func (h *Hub) Workspaces(ctx context.Context) ([]Registered, error) {
	in := &dynamodb.QueryInput{TableName: &h.table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :p"),
		ExpressionAttributeValues: key{":p": text("workspaces")}}
	var l []Registered
	for {
		out, err := h.db.Query(ctx, in)
		if err != nil {
			return nil, classed(err)
		}
		for _, item := range out.Items {
			l = append(l, Registered{plain(item["sk"]), plain(item["g"])})
		}
		if out.LastEvaluatedKey == nil {
			return l, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func plain(v types.AttributeValue) string {
	s, _ := v.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// Review is how far all profiles of a workspace were looked at since its segments
// became others.
type Review struct {
	Version  int64  // of the stored item; 0 = there was never one
	Segments string // digest of the segments that it is for
	Begin    int64  // not before this moment, Unix ms
	After    string // place up to which profiles were looked at; "" = the beginning
	Done     bool
}

func (w Workspace) review() key { return w.key("d", "", "REVIEW") }

// Review reads how far it is.
func (w Workspace) Review(ctx context.Context) (Review, error) {
	item, err := w.get(ctx, w.review())
	return Review{integer(item["v"]), plain(item["g"]), integer(item["t"]), plain(item["k"]), integer(item["e"]) == 1}, err
}

// CommitReview stores a review that was read at its version, or gives profile.ErrLost.
func (w Workspace) CommitReview(ctx context.Context, r Review) error {
	item := w.review()
	item["v"], item["g"], item["t"], item["k"] = number(r.Version+1), text(r.Segments), number(r.Begin), text(r.After)
	if r.Done {
		item["e"] = number(1)
	}
	condition, values := guard(r.Version)
	_, err := w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item, ConditionExpression: condition, ExpressionAttributeValues: values})
	return won(err)
}

// Profiles lists profiles of the workspace from a place on ("" = the beginning), in
// no order that means anything: one page of the table, a megabyte, of which it may
// find none. next is "" at the end. There is no index of fragments: one would cost
// every new fragment a write for what is asked when somebody edits a segment.
func (w Workspace) Profiles(ctx context.Context, after string) (ids []profile.ID, next string, err error) {
	in := &dynamodb.ScanInput{TableName: &w.table, FilterExpression: aws.String("begins_with(pk, :p) AND sk = :s"),
		ProjectionExpression:      aws.String("pk, p"),
		ExpressionAttributeValues: key{":p": text(w.id + "#g#"), ":s": text("STATE")}}
	if pk, sk, ok := strings.Cut(after, "\n"); ok {
		in.ExclusiveStartKey = key{"pk": text(pk), "sk": text(sk)}
	}
	out, err := w.db.Scan(ctx, in)
	if err != nil {
		return nil, "", classed(err)
	}
	for _, item := range out.Items {
		if id := strings.TrimPrefix(plain(item["pk"]), w.id+"#g#"); id == plain(item["p"]) { // the least of its profile
			ids = append(ids, profile.ID(id))
		}
	}
	if out.LastEvaluatedKey != nil {
		next = name(out.LastEvaluatedKey)
	}
	return ids, next, nil
}
