package inbox

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	connector "loophub/connectors"
	"loophub/shared/delivery"
)

// An item. Names are short since each is paid for with every delivery.
//
//	pk   <workspace>#<connection>#<object>
//	sk   <delivery>, or <delivery>~<hash> for a clash
//	d    packed request        o  overflow object that holds it instead
//	h    hash of the body      c  connection
//	r    received, Unix ms     t  trace
//	x    expires, Unix s       f  clash
//	l    lane; absent = live
//	q    to be processed: the filter of unify's event source
//	why, pw, pt                parked: reasons, index key, Unix ms

func key(k delivery.Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: k.Workspace + "#" + k.Connection + "#" + k.Object},
		"sk": &types.AttributeValueMemberS{Value: k.Delivery},
	}
}

func item(s delivery.Sealed, clash bool) map[string]types.AttributeValue {
	m := key(s.Key)
	if s.Overflow != "" {
		m["o"] = &types.AttributeValueMemberS{Value: s.Overflow}
	} else {
		m["d"] = &types.AttributeValueMemberB{Value: s.Packed}
	}
	m["h"] = &types.AttributeValueMemberB{Value: s.Hash[:]}
	m["c"] = &types.AttributeValueMemberS{Value: s.Key.Connection}
	m["r"] = number(s.ReceivedAt.UnixMilli())
	m["x"] = number(s.ReceivedAt.Add(delivery.Retention).Unix())
	m["q"] = number(1)
	if s.Trace != "" {
		m["t"] = &types.AttributeValueMemberS{Value: s.Trace}
	}
	if s.Lane != delivery.Live {
		m["l"] = &types.AttributeValueMemberS{Value: string(s.Lane)}
	}
	if clash {
		m["f"] = &types.AttributeValueMemberS{Value: "clash"}
	}
	return m
}

// record is an item read back, from the table or from its stream.
type record struct {
	pk, sk, overflow, trace, clash, lane, why string
	packed, hash                              []byte
	received, expires, parked                 int64 // 0 = absent
}

func fromTable(m map[string]types.AttributeValue) record {
	var r record
	for name, v := range m {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			r.setText(name, v.Value)
		case *types.AttributeValueMemberB:
			r.setBytes(name, v.Value)
		case *types.AttributeValueMemberN:
			r.setNumber(name, v.Value)
		}
	}
	return r
}

func fromStream(m map[string]events.DynamoDBAttributeValue) record {
	var r record
	for name, v := range m {
		switch v.DataType() {
		case events.DataTypeString:
			r.setText(name, v.String())
		case events.DataTypeBinary:
			r.setBytes(name, v.Binary())
		case events.DataTypeNumber:
			r.setNumber(name, v.Number())
		}
	}
	return r
}

func (r *record) setText(name, v string) {
	switch name {
	case "pk":
		r.pk = v
	case "sk":
		r.sk = v
	case "o":
		r.overflow = v
	case "t":
		r.trace = v
	case "f":
		r.clash = v
	case "l":
		r.lane = v
	case "why":
		r.why = v
	}
}

func (r *record) setBytes(name string, v []byte) {
	switch name {
	case "d":
		r.packed = v
	case "h":
		r.hash = v
	}
}

func (r *record) setNumber(name, v string) {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return // not of our writing; what needs the number finds it absent
	}
	switch name {
	case "r":
		r.received = n
	case "x":
		r.expires = n
	case "pt":
		r.parked = n
	}
}

func (r record) expired(now time.Time) bool { return r.expires != 0 && r.expires < now.Unix() }

func (r record) key() (delivery.Key, error) {
	parts := strings.SplitN(r.pk, "#", 3)
	if len(parts) != 3 || r.sk == "" {
		return delivery.Key{}, errors.New("the item has no key of a delivery")
	}
	return delivery.Key{Workspace: parts[0], Connection: parts[1], Object: parts[2], Delivery: r.sk}, nil
}

func (r record) sealed() (delivery.Sealed, error) {
	k, err := r.key()
	if err != nil {
		return delivery.Sealed{}, err
	}
	s := delivery.Sealed{Key: k, Packed: r.packed, Overflow: r.overflow, Trace: r.trace, Lane: delivery.Lane(r.lane), ReceivedAt: time.UnixMilli(r.received).UTC()}
	if r.received == 0 || copy(s.Hash[:], r.hash) != len(s.Hash) || (len(r.packed) == 0) == (r.overflow == "") {
		return s, errors.New("the item is incomplete")
	}
	return s, nil
}

func (r record) summary() (delivery.Summary, error) {
	k, err := r.key()
	if err != nil {
		return delivery.Summary{}, err
	}
	s := delivery.Summary{Key: k, Status: delivery.Received, ReceivedAt: time.UnixMilli(r.received).UTC(), Clash: r.clash != ""}
	if r.parked != 0 {
		s.Status, s.ParkedAt = delivery.Parked, time.UnixMilli(r.parked).UTC()
		if json.Unmarshal([]byte(r.why), &s.Faults) != nil {
			// One item's broken reasons must not hide the list from the operator.
			s.Faults = []delivery.Fault{{Class: connector.Undecodable, Reason: "the stored reasons can't be read; replay the delivery to see them again"}}
		}
	}
	return s, nil
}
