// Package price says what use costs: a list of prices with region, date and page, and what has to be assumed where nothing
// can be counted. It is pure; what was used it is told by package meter.
package price

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Amount is money in millionths of a millionth of a dollar: the price of a single request is a whole number of them.
type Amount int64

// Dollar is one.
const Dollar Amount = 1_000_000_000_000

func (a Amount) String() string { return "$" + a.Decimal(2) }

// Decimal writes dollars with so many digits after the point.
func (a Amount) Decimal(digits int) string {
	return new(big.Rat).SetFrac64(int64(a), int64(Dollar)).FloatString(digits)
}

// Item is something that has a price.
type Item string

// All that is priced.
const (
	TableWrite    Item = "table.write"
	TableRead     Item = "table.read"
	TableStorage  Item = "table.storage"
	TableBackup   Item = "table.backup"
	QueueRequest  Item = "queue.request"
	BusEvent      Item = "bus.event"
	ScheduleRun   Item = "schedule.run"
	FunctionRun   Item = "function.run"
	FunctionTime  Item = "function.time"
	LogWrite      Item = "log.write"
	LogStorage    Item = "log.storage"
	Metric        Item = "metric"
	Alarm         Item = "alarm"
	ObjectPut     Item = "object.put"
	ObjectGet     Item = "object.get"
	ParameterRead Item = "parameter.read"
	KeyRequest    Item = "key.request"
	Mail          Item = "mail"
	Notification  Item = "notification"
)

var items = []Item{TableWrite, TableRead, TableStorage, TableBackup, QueueRequest, BusEvent, ScheduleRun, FunctionRun, FunctionTime,
	LogWrite, LogStorage, Metric, Alarm, ObjectPut, ObjectGet, ParameterRead, KeyRequest, Mail, Notification}

// units says how many of what is counted a unit of the list holds: requests and units of capacity one by one, payload and
// what is stored by the byte, time by the microsecond of a megabyte.
var units = map[string]int64{
	"million write request units": 1e6, "million read request units": 1e6, "million requests": 1e6, "million events": 1e6,
	"million runs": 1e6, "million mails": 1e6, "million GB-seconds": 1e6 * 1024 * 1e6, "GB": 1e9, "GB-month": 1e9,
	"metric-month": 1, "alarm-month": 1,
}

// List is a price list.
type List struct {
	Region   string  `json:"region"`
	Currency string  `json:"currency"`
	About    string  `json:"about"`
	Prices   []Price `json:"items"`

	per map[Item]*big.Rat // dollars for one of what is counted
}

// Price is one line of the list.
type Price struct {
	Item    Item   `json:"item"`
	Unit    string `json:"unit"`
	Dollars string `json:"dollars"`
	Read    string `json:"read"` // the day
	Page    string `json:"page"`
	// Reported tells that the figure was found in reports of others, since the page shows it to browsers only.
	Reported bool   `json:"reported,omitempty"`
	Note     string `json:"note,omitempty"`
}

//go:embed list.json
var list []byte

// Load gives the list that lies beside this code.
func Load() (List, error) { return Read(list) }

// Read reads a list. It must price everything, each once.
func Read(text []byte) (List, error) {
	l := List{per: map[Item]*big.Rat{}}
	if err := strict(text, &l); err != nil {
		return l, fmt.Errorf("reading the price list: %w", err)
	}
	var errs []error
	for _, p := range l.Prices {
		if err := l.add(p); err != nil {
			errs = append(errs, fmt.Errorf("reading the price of %s: %w", p.Item, err))
		}
	}
	for _, i := range items {
		if l.per[i] == nil {
			errs = append(errs, fmt.Errorf("reading the price list: %s has no price", i))
		}
	}
	if l.Region == "" || l.Currency != "USD" {
		errs = append(errs, errors.New("reading the price list: it names no region, or another currency than USD"))
	}
	return l, errors.Join(errs...)
}

func (l *List) add(p Price) error {
	if !slices.Contains(items, p.Item) {
		return errors.New("nothing of that name is priced")
	}
	if l.per[p.Item] != nil {
		return errors.New("it stands there twice")
	}
	if _, err := time.Parse(time.DateOnly, p.Read); err != nil || p.Page == "" {
		return errors.New("it lacks the page, or the day on which that was read")
	}
	held, ok := units[p.Unit]
	if !ok {
		return fmt.Errorf("%q is no unit", p.Unit)
	}
	dollars, ok := new(big.Rat).SetString(p.Dollars)
	if !ok || dollars.Sign() < 0 {
		return fmt.Errorf("%q are no dollars", p.Dollars)
	}
	l.per[p.Item] = dollars.Quo(dollars, new(big.Rat).SetInt64(held))
	return nil
}

// Cost is what so many cost, rounded to the nearest Amount. Counts are whole numbers or halves, which a float64 holds exactly.
func (l List) Cost(i Item, count float64) Amount {
	n := new(big.Rat).SetFloat64(count)
	n.Mul(n, l.per[i]).Mul(n, new(big.Rat).SetInt64(int64(Dollar)))
	half := new(big.Rat).SetFrac64(1, 2)
	n.Add(n, half)
	return Amount(new(big.Int).Div(n.Num(), n.Denom()).Int64())
}

// Of is a line of the list.
func (l List) Of(i Item) Price {
	at := slices.IndexFunc(l.Prices, func(p Price) bool { return p.Item == i })
	if at < 0 {
		return Price{}
	}
	return l.Prices[at]
}

// strict reads JSON that may hold nothing else.
func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
