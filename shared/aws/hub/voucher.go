package hub

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/journey"
)

// Voucher pools in the table:
//
//	<ws>#p#<pool>   a#<place>#<code>   a code that nobody has; places are spread evenly
//	<ws>#p#<pool>   u#<cause>          what a cause took
//	<ws>#v#<CODE>   STATE              a code of ours: its pool, and who has it
//
// The last is the claim on a code: it is put once, whatever pool it is uploaded to,
// so that a code is given away once.

// spread lays codes over a pool: merchants upload them in rows, and takers that
// start anywhere should seldom meet.
func spread(code string) string {
	sum := sha256.Sum256([]byte(code))
	return events.Short(sum[:])
}

func (w Workspace) code(code string) key { return w.key("v", code, "STATE") }
func (w Workspace) available(pool, code string) key {
	return w.key("p", pool, "a#"+spread(code)+"#"+code)
}

const (
	perUpload = 50 // codes of one transaction, which holds a hundred items
	uploads   = 8  // attempts where somebody uploads the same codes
)

// Upload adds codes to a pool and counts those that are new; the others were
// uploaded before, to this pool or another.
func (w Workspace) Upload(ctx context.Context, pool string, codes []string) (added int, err error) {
	for chunk := range slices.Chunk(codes, perUpload) {
		n, err := w.upload(ctx, pool, chunk)
		if added += n; err != nil {
			return added, fmt.Errorf("adding codes after %d: %w", added, err)
		}
	}
	return added, nil
}

func (w Workspace) upload(ctx context.Context, pool string, codes []string) (int, error) {
	for range uploads {
		fresh, err := w.fresh(ctx, codes)
		if err != nil || len(fresh) == 0 {
			return 0, err
		}
		var all []types.TransactWriteItem
		for _, code := range fresh {
			state := w.code(code)
			if state["d"], err = pack(Issued{Pool: pool}); err != nil {
				return 0, fault.As(fault.Permanent, err)
			}
			all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: state, ConditionExpression: aws.String("attribute_not_exists(pk)")}},
				types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: w.available(pool, code)}})
		}
		_, err = w.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: all})
		if err == nil {
			return len(fresh), nil
		}
		if !lost(err) {
			return 0, classed(err)
		}
	}
	return 0, fault.New(fault.Transient, "others are adding the same codes")
}

// fresh are those codes that no pool has, each once.
func (w Workspace) fresh(ctx context.Context, codes []string) ([]string, error) {
	items, err := w.batch(ctx, len(codes), func(n int) key { return w.code(codes[n]) })
	if err != nil {
		return nil, err
	}
	var l []string
	for n, code := range codes {
		if items[n] == nil && !slices.Contains(l, code) {
			l = append(l, code)
		}
	}
	return l, nil
}

// look is how many codes a taker looks at from where it starts.
const look = 25

// FindCode finds the code that a cause took, or else one that nobody has: "" where
// the pool is empty. It takes nothing: CommitStep does.
func (w Workspace) FindCode(ctx context.Context, pool, cause string) (string, error) {
	item, err := w.get(ctx, w.key("p", pool, "u#"+cause))
	if err != nil {
		return "", err
	}
	if item != nil {
		var a journey.Assignment
		err := unpack(item["d"], &a)
		return a.Code, fault.As(fault.Permanent, err)
	}
	// Each cause starts at a place of its own, so that takers seldom meet.
	place := sha256.Sum256([]byte(pool + "\x00" + cause))
	start := "a#" + events.Short(place[:16])
	for _, span := range [][2]string{{start, "a#~"}, {"a#", start}} { // from there on, and round
		in := w.query("p", pool, "", false, look)
		in.KeyConditionExpression = aws.String("pk = :p AND sk BETWEEN :s AND :e")
		in.ExpressionAttributeValues[":s"], in.ExpressionAttributeValues[":e"] = text(span[0]), text(span[1])
		out, err := w.db.Query(ctx, in)
		if err != nil {
			return "", classed(err)
		}
		if len(out.Items) > 0 {
			return codeOf(out.Items[int(place[16])%len(out.Items)]), nil
		}
	}
	return "", nil
}

func codeOf(item key) string {
	sk := sortOf(item)
	return sk[min(len(sk), len("a#")+24+1):]
}

// Issued is a code of ours, and who has it.
type Issued struct {
	Pool string             `json:"pool"`
	To   journey.Assignment `json:"to,omitzero"` // To.At 0 = nobody has it
}

// assign moves a code from the pool to a cause; it fails where somebody took it.
func (w Workspace) assign(a journey.Assignment) ([]types.TransactWriteItem, error) {
	used, state := w.key("p", a.Pool, "u#"+a.Cause), w.code(a.Code)
	var err error
	if used["d"], err = pack(a); err != nil {
		return nil, err
	}
	if state["d"], err = pack(Issued{a.Pool, a}); err != nil {
		return nil, err
	}
	return []types.TransactWriteItem{
		{Delete: &types.Delete{TableName: &w.table, Key: w.available(a.Pool, a.Code), ConditionExpression: aws.String("attribute_exists(pk)")}},
		{Put: &types.Put{TableName: &w.table, Item: used, ConditionExpression: aws.String("attribute_not_exists(pk)")}},
		{Put: &types.Put{TableName: &w.table, Item: state}},
	}, nil
}

// IssuedCode looks a code up. ok is false where it is none of ours; a code that
// nobody has is there, and has no time.
func (w Workspace) IssuedCode(ctx context.Context, code string) (i Issued, ok bool, err error) {
	item, err := w.get(ctx, w.code(code))
	if err != nil || item == nil {
		return Issued{}, false, err
	}
	if err := unpack(item["d"], &i); err != nil {
		return Issued{}, false, fault.As(fault.Permanent, fmt.Errorf("an issued code: %w", err))
	}
	return i, true, nil
}

// CountCodes counts a pool's codes. It reads the whole pool: it is for people.
func (w Workspace) CountCodes(ctx context.Context, pool string) (available, used int, err error) {
	for prefix, n := range map[string]*int{"a#": &available, "u#": &used} {
		in := w.query("p", pool, prefix, false, 0)
		in.Select, in.ConsistentRead = types.SelectCount, aws.Bool(false)
		for {
			out, err := w.db.Query(ctx, in)
			if err != nil {
				return 0, 0, classed(err)
			}
			*n += int(out.Count)
			if out.LastEvaluatedKey == nil {
				break
			}
			in.ExclusiveStartKey = out.LastEvaluatedKey
		}
	}
	return available, used, nil
}
