package inbox

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	connector "loophub/connectors"
	"loophub/shared/delivery"
)

// maxPages bounds one call of ListReceived: a page reads up to 1 MB.
const maxPages = 4

// ListParked lists what is parked of one connection, newest first, from a sparse
// index, which may lag behind by moments. The cursor is "" at the end.
func (i *Inbox) ListParked(ctx context.Context, q delivery.Listing) ([]delivery.Summary, string, error) {
	l := listing{q, "parked"}
	in := &dynamodb.QueryInput{
		TableName: &i.table, IndexName: aws.String("parked"), ScanIndexForward: aws.Bool(false), Limit: aws.Int32(l.limit()),
		KeyConditionExpression: aws.String("pw = :pw"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pw":  &types.AttributeValueMemberS{Value: l.Workspace + "#" + l.Connection},
			":now": number(l.Now.Unix())},
		FilterExpression: aws.String("attribute_not_exists(x) OR x >= :now"),
	}
	var err error
	if in.ExclusiveStartKey, err = l.start(); err != nil {
		return nil, "", err
	}
	out, err := i.db.Query(ctx, in)
	if err != nil {
		return nil, "", fmt.Errorf("listing parked deliveries: %w", err)
	}
	list, err := summaries(out.Items)
	if err != nil {
		return nil, "", fmt.Errorf("listing parked deliveries: %w", err)
	}
	cursor, err := l.cursor(out.LastEvaluatedKey)
	return list, cursor, err
}

// Unpark puts what a connection has parked for a class of faults back into the
// queue, page by page, and tells how many deliveries that are. The index may lag
// behind by moments.
func (i *Inbox) Unpark(ctx context.Context, workspace, connection string, class connector.FaultClass, now time.Time) (n int, err error) {
	name, err := json.Marshal(class)
	if err != nil {
		return 0, fmt.Errorf("listing parked deliveries: %w", err)
	}
	pages := dynamodb.NewQueryPaginator(i.db, &dynamodb.QueryInput{
		TableName: &i.table, IndexName: aws.String("parked"), Limit: aws.Int32(unparked),
		KeyConditionExpression: aws.String("pw = :pw"),
		FilterExpression:       aws.String("(attribute_not_exists(x) OR x >= :now) AND contains(why, :class)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pw": &types.AttributeValueMemberS{Value: workspace + "#" + connection}, ":now": number(now.Unix()),
			":class": &types.AttributeValueMemberS{Value: `"class":` + string(name)}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return n, fmt.Errorf("listing parked deliveries: %w", err)
		}
		for _, item := range page.Items {
			r := fromTable(item)
			k, err := r.key()
			if err != nil {
				return n, fmt.Errorf("listing parked deliveries: %w", err)
			}
			switch err := i.Resume(ctx, k, time.UnixMilli(r.received), now); {
			case err == nil:
				n++
			case !errors.Is(err, delivery.ErrAbsent): // absent: it has expired meanwhile
				return n, err
			}
		}
	}
	return n, nil
}

// unparked is how many parked deliveries are looked at in one call.
const unparked = 200

// ListReceived lists deliveries that were received and are not parked, in no
// order. It is for a person who looks for something, not for programs: nothing
// indexes these items, so each call scans the table of all workspaces, up to 4 MB
// of it, and costs up to 512 read units, whatever it finds. A page may be empty
// although more follow: only the cursor "" is the end.
func (i *Inbox) ListReceived(ctx context.Context, q delivery.Listing) ([]delivery.Summary, string, error) {
	l := listing{q, "received"}
	prefix := l.Workspace + "#"
	if l.Connection != "" {
		prefix += l.Connection + "#"
	}
	in := &dynamodb.ScanInput{
		TableName:            &i.table,
		FilterExpression:     aws.String("begins_with(pk, :p) AND attribute_exists(q) AND x >= :now"),
		ProjectionExpression: aws.String("pk, sk, r, x, f"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":p": &types.AttributeValueMemberS{Value: prefix}, ":now": number(l.Now.Unix())},
	}
	var err error
	if in.ExclusiveStartKey, err = l.start(); err != nil {
		return nil, "", err
	}
	var list []delivery.Summary
	limit := int(l.limit())
	for range maxPages {
		out, err := i.db.Scan(ctx, in)
		if err != nil {
			return nil, "", fmt.Errorf("listing received deliveries: %w", err)
		}
		if left := limit - len(list); len(out.Items) > left {
			last := out.Items[left-1]
			out.Items, out.LastEvaluatedKey = out.Items[:left], map[string]types.AttributeValue{"pk": last["pk"], "sk": last["sk"]}
		}
		page, err := summaries(out.Items)
		if err != nil {
			return nil, "", fmt.Errorf("listing received deliveries: %w", err)
		}
		list, in.ExclusiveStartKey = append(list, page...), out.LastEvaluatedKey
		if len(list) == limit || len(out.LastEvaluatedKey) == 0 {
			break
		}
	}
	cursor, err := l.cursor(in.ExclusiveStartKey)
	return list, cursor, err
}

func summaries(items []map[string]types.AttributeValue) ([]delivery.Summary, error) {
	list := make([]delivery.Summary, 0, len(items))
	for _, m := range items {
		s, err := fromTable(m).summary()
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func (l listing) limit() int32 { return int32(min(max(l.Limit, 1), 100)) }

// listing is a page of one of the two lists.
type listing struct {
	delivery.Listing
	list string
}

// A cursor is the key where a page ended. A scan may end at another workspace's
// item, whose key is nobody else's business: so cursors are encrypted for the
// workspace. The nonce is derived from text and purpose: one text in one list, one
// cursor, and never one nonce for two.

// purpose binds a cursor to what it was given for.
func (l listing) purpose() []byte { return []byte(l.list + " " + l.Workspace + "#" + l.Connection) }

func (l listing) aead() (cipher.AEAD, []byte, error) {
	mac := hmac.New(sha256.New, l.Key)
	mac.Write([]byte("delivery cursor"))
	k := mac.Sum(nil)
	block, err := aes.NewCipher(k[:16])
	if err != nil {
		return nil, nil, fmt.Errorf("sealing cursor: %w", err)
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, fmt.Errorf("sealing cursor: %w", err)
	}
	return a, k[16:], nil
}

func (l listing) cursor(last map[string]types.AttributeValue) (string, error) {
	if len(last) == 0 {
		return "", nil
	}
	texts := map[string]string{}
	for name, v := range last {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			texts[name] = v.Value
		case *types.AttributeValueMemberN:
			texts[name] = v.Value
		}
	}
	plain, err := json.Marshal(texts)
	if err != nil {
		return "", fmt.Errorf("sealing cursor: %w", err)
	}
	a, nonceKey, err := l.aead()
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, nonceKey)
	mac.Write(l.purpose()) // its end can't be mistaken: a name holds no brace, and the text begins with one
	mac.Write(plain)
	nonce := mac.Sum(nil)[:a.NonceSize()]
	return base64.RawURLEncoding.EncodeToString(a.Seal(nonce, nonce, plain, l.purpose())), nil
}

func (l listing) start() (map[string]types.AttributeValue, error) {
	if l.Cursor == "" {
		return nil, nil
	}
	a, _, err := l.aead()
	if err != nil {
		return nil, err
	}
	b, err := base64.RawURLEncoding.DecodeString(l.Cursor)
	if err != nil || len(b) < a.NonceSize() {
		return nil, delivery.ErrCursor
	}
	plain, err := a.Open(nil, b[:a.NonceSize()], b[a.NonceSize():], l.purpose())
	if err != nil {
		return nil, delivery.ErrCursor
	}
	var texts map[string]string
	if json.Unmarshal(plain, &texts) != nil {
		return nil, delivery.ErrCursor
	}
	last := map[string]types.AttributeValue{}
	for name, text := range texts {
		if name == "pt" {
			last[name] = &types.AttributeValueMemberN{Value: text}
			continue
		}
		last[name] = &types.AttributeValueMemberS{Value: text}
	}
	return last, nil
}
