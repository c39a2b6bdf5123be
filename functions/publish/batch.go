package publish

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"loophub/events"
)

// batch is what the records of a stream have to say.
type batch struct {
	changes       []change // one per fragment
	announcements []parcel
	unreadable    int // items that announce something in no words of ours
}

// change is what one fragment has to say after a batch.
type change struct {
	events.ProfileChange
	workspace string
	at        time.Time
	order     int    // of the batch's first record of the fragment
	sequence  string // of that record
}

// read folds a batch: one change per fragment, and the announcements of all other
// items as they stand.
func read(e lambdaevents.DynamoDBEvent) (b batch) {
	at := map[string]int{}
	for n, r := range e.Records {
		i := image(r.Change.NewImage)
		p := parcel{workspace: i.workspace(), at: r.Change.ApproximateCreationDateTime.Time, order: n, sequence: r.Change.SequenceNumber}
		if p.workspace == "" || i.text("ev") == "" {
			continue // bookkeeping, or not of ours
		}
		said, readable := i.announcements()
		c, ok := i.change()
		if occurred, told := i.occurred(); ok && told {
			c.Occurred = occurred
		} else if ok {
			readable = false // what changed is told all the same
		}
		if !readable {
			b.unreadable++
		}
		for _, a := range said {
			p.announcement = a
			b.announcements = append(b.announcements, p)
		}
		if !ok {
			continue
		}
		c.workspace, c.at, c.order, c.sequence = p.workspace, p.at, p.order, p.sequence
		k := c.workspace + "#" + c.Fragment
		if first, seen := at[k]; seen {
			b.changes[first].fold(c)
		} else {
			at[k] = len(b.changes)
			b.changes = append(b.changes, c)
		}
	}
	return b
}

// fold takes a later version in: it counts, and all that any version changed and
// all that occurred by any is told.
func (c *change) fold(later change) {
	for _, p := range later.Parts {
		if !slices.Contains(c.Parts, p) {
			c.Parts = append(c.Parts, p)
		}
	}
	for _, o := range later.Occurred {
		if !slices.Contains(c.Occurred, o) {
			c.Occurred = append(c.Occurred, o)
		}
	}
	c.Version, c.Profile, c.at = later.Version, later.Profile, later.at
}

// image is an item's new image, of which a few attributes are looked at.
type image map[string]lambdaevents.DynamoDBAttributeValue

func (i image) text(name string) string {
	if v, ok := i[name]; ok && v.DataType() == lambdaevents.DataTypeString {
		return v.String()
	}
	return ""
}

// workspace is what every key begins with.
func (i image) workspace() string {
	id, _, ok := strings.Cut(i.text("pk"), "#")
	if !ok {
		return ""
	}
	return id
}

// announcements are what an item carries for the bus; ok is false where they can't
// be read.
func (i image) announcements() (l []events.Announcement, ok bool) {
	if i.text("an") == "" {
		return nil, true
	}
	if json.Unmarshal([]byte(i.text("an")), &l) != nil {
		return nil, false
	}
	for _, a := range l {
		if a.Type == "" || len(a.Data) == 0 {
			return nil, false
		}
	}
	return l, true
}

// change reads what a fragment has to say off the few attributes that it announces.
func (i image) change() (change, bool) {
	pk := strings.Split(i.text("pk"), "#")
	v, ok := i["v"]
	if len(pk) != 3 || pk[1] != "g" || i.text("sk") != "STATE" || !ok || v.DataType() != lambdaevents.DataTypeNumber {
		return change{}, false
	}
	version, err := strconv.ParseInt(v.Number(), 10, 64)
	if err != nil {
		return change{}, false
	}
	c := change{ProfileChange: events.ProfileChange{Fragment: pk[2], Version: version, Profile: i.text("p"), Parts: strings.Split(i.text("ev"), ",")}}
	return c, true
}

// occurred is what happened by a fragment's write; ok is false where it can't be read.
func (i image) occurred() (l []events.Occurrence, ok bool) {
	ok = i.text("oc") == "" || json.Unmarshal([]byte(i.text("oc")), &l) == nil
	return l, ok
}

// parcel is one event to be: changes of one workspace, or an announcement.
type parcel struct {
	workspace    string
	changes      []events.ProfileChange
	announcement events.Announcement
	at           time.Time
	order        int
	sequence     string
	bytes        int
}

func (p parcel) envelope() (events.Envelope, error) {
	if len(p.changes) == 0 {
		return events.NewEnvelope(p.workspace, p.announcement.Type, p.at, p.announcement.Data)
	}
	return events.NewProfileChanged(p.workspace, p.at, p.changes)
}

const (
	perEvent = 100      // changes packed into one event
	maxBytes = 48 << 10 // of one event's changes, so that ten fit one call
)

// parcels puts changes together per workspace, up to the limits of one event, and
// announcements among them, in the order of their records.
func (b batch) parcels() []parcel {
	var done []parcel
	open := map[string]int{}
	for _, c := range b.changes {
		size := c.size()
		i, ok := open[c.workspace]
		if !ok || len(done[i].changes) == perEvent || done[i].bytes+size > maxBytes {
			i = len(done)
			open[c.workspace] = i
			done = append(done, parcel{workspace: c.workspace, order: c.order, sequence: c.sequence})
		}
		p := &done[i]
		p.changes, p.bytes = append(p.changes, c.ProfileChange), p.bytes+size
		if c.at.After(p.at) {
			p.at = c.at
		}
	}
	done = append(done, b.announcements...)
	slices.SortStableFunc(done, func(a, b parcel) int { return cmp.Compare(a.order, b.order) })
	return done
}

// size is at least what the change takes in JSON.
func (c change) size() int {
	n := 120 + len(c.Fragment) + len(c.Profile) + 12*len(c.Parts)
	for _, o := range c.Occurred {
		n += 80 + len(o.What) + len(o.Record) + len(o.Message)
	}
	return n
}
