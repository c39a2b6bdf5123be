package dynamodb

import (
	"slices"
	"strconv"
	"strings"

	"loophub/infra/local/dynamodb/attr"
	"loophub/infra/local/dynamodb/expr"
)

// maxPage is how many bytes of items one Query or Scan reads.
const maxPage = 1 << 20

// listing is what Query and Scan have in common.
type listing struct {
	TableName              string
	IndexName              string
	ConsistentRead         bool
	ExclusiveStartKey      attr.Map
	FilterExpression       *string
	ProjectionExpression   *string
	Limit                  *int
	Select                 string
	ReturnConsumedCapacity string
	placeholders
}

type queryInput struct {
	listing
	KeyConditionExpression *string
	ScanIndexForward       *bool
}

type scanInput struct {
	listing
	Segment       *int
	TotalSegments *int
}

// listed is the reply to Query and Scan.
type listed struct {
	Items            *[]attr.Map `json:",omitempty"`
	Count            int
	ScannedCount     int
	LastEvaluatedKey attr.Map  `json:",omitempty"`
	ConsumedCapacity *consumed `json:",omitempty"`
}

// reading is a checked Query or Scan.
type reading struct {
	service    *Service
	table      *Table
	index      *index // nil for the table itself
	from, to   string // range of encoded keys
	backward   bool
	limit      int
	consistent bool
	filter     expr.Condition
	projection expr.Projection
	count      bool // Select COUNT: items are not returned
}

// schema is the key that the reading goes by.
func (r *reading) schema() keySchema {
	if r.index != nil {
		return r.index.keys
	}
	return r.table.keys
}

func (s *Service) query(in *queryInput) (any, error) {
	r, key, err := s.reading(&in.listing, map[string]*string{keyField: in.KeyConditionExpression})
	if err != nil {
		return nil, err
	}
	if in.KeyConditionExpression == nil {
		return nil, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	tests, err := key.Tests(r.schema().has)
	if err != nil {
		return nil, err
	}
	r.backward = in.ScanIndexForward != nil && !*in.ScanIndexForward
	partition, span, err := r.ranges(tests)
	if err != nil {
		return nil, err
	}
	r.from, r.to = span.from, span.to
	if err := r.resume(in.ExclusiveStartKey, partition); err != nil {
		return nil, err
	}
	if err := r.filterOfQuery(); err != nil {
		return nil, err
	}
	if err := r.selected(&in.listing); err != nil {
		return nil, err
	}
	return r.page("Query", in.ReturnConsumedCapacity), nil
}

func (s *Service) scan(in *scanInput) (any, error) {
	r, _, err := s.reading(&in.listing, nil)
	if err != nil {
		return nil, err
	}
	if err := r.segment(in.Segment, in.TotalSegments); err != nil {
		return nil, err
	}
	if err := r.resume(in.ExclusiveStartKey, ""); err != nil {
		return nil, err
	}
	if err := r.selected(&in.listing); err != nil {
		return nil, err
	}
	return r.page("Scan", in.ReturnConsumedCapacity), nil
}

const keyField = "KeyConditionExpression"

// reading reads what Query and Scan have in common, every expression before anything that depends on the table. Further
// is the expression that only Query has.
func (s *Service) reading(in *listing, further map[string]*string) (*reading, expr.KeyCondition, error) {
	var condition expr.KeyCondition
	if err := in.check(); err != nil {
		return nil, condition, err
	}
	valued := map[string]*string{"FilterExpression": in.FilterExpression}
	all := map[string]*string{"FilterExpression": in.FilterExpression, "ProjectionExpression": in.ProjectionExpression}
	for field, e := range further {
		valued[field], all[field] = e, e
	}
	b, err := in.bind(all, valued)
	if err != nil {
		return nil, condition, err
	}
	r := &reading{service: s, consistent: in.ConsistentRead, count: in.Select == "COUNT"}
	if in.Limit != nil {
		r.limit = *in.Limit
	}
	if in.FilterExpression != nil {
		if r.filter, err = b.Condition("FilterExpression", *in.FilterExpression); err != nil {
			return nil, condition, err
		}
	}
	if in.ProjectionExpression != nil {
		if r.projection, err = b.Projection(*in.ProjectionExpression); err != nil {
			return nil, condition, err
		}
	}
	if key := further[keyField]; key != nil {
		if condition, err = b.Key(*key); err != nil {
			return nil, condition, err
		}
	}
	if err := b.Unused(); err != nil {
		return nil, condition, err
	}
	if r.table, err = s.lookup(in.TableName); err != nil {
		return nil, condition, err
	}
	return r, condition, r.choose(in)
}

func (in *listing) check() error {
	if err := (reports{ReturnConsumedCapacity: in.ReturnConsumedCapacity}).check(); err != nil {
		return err
	}
	if err := oneOf("select", in.Select, "SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES",
		"ALL_PROJECTED_ATTRIBUTES"); err != nil {
		return err
	}
	if in.Limit != nil && *in.Limit < 1 {
		return invalid("1 validation error detected: Value '" + strconv.Itoa(*in.Limit) +
			"' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1")
	}
	return nil
}

// choose finds the index of a reading.
func (r *reading) choose(in *listing) error {
	if in.IndexName == "" {
		return nil
	}
	for _, i := range r.table.indexes {
		if i.spec.Name == in.IndexName {
			r.index = i
		}
	}
	switch {
	case r.index == nil:
		return invalid("The table does not have the specified index: " + in.IndexName)
	case in.ConsistentRead:
		return invalid("Consistent reads are not supported on global secondary indexes")
	}
	return nil
}

// filterOfQuery refuses a filter on the key that the query goes by: a key condition is for that.
func (r *reading) filterOfQuery() error {
	for _, k := range r.schema() {
		for _, path := range r.filter.Paths() {
			if path.Root() != k.name {
				continue
			}
			if len(path) > 1 {
				return invalid(scalarKey + "Key: " + k.name)
			}
			return invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: " + k.name)
		}
	}
	return nil
}

// selected checks what is to be returned against what there is to return.
func (r *reading) selected(in *listing) error {
	wanted := map[string]string{"COUNT": "only the Count", "ALL_ATTRIBUTES": "ALL_ATTRIBUTES",
		"ALL_PROJECTED_ATTRIBUTES": "ALL_PROJECTED_ATTRIBUTES"}[in.Select]
	unseen := r.unprojected(r.filter.Paths())
	switch {
	case len(unseen) > 0:
		return invalid(invalidValues + "Secondary index " + in.IndexName +
			" does not project one or more filter attributes: [" + strings.Join(unseen, ", ") + "]")
	case in.ProjectionExpression != nil && wanted != "":
		return invalid("Cannot specify the ProjectionExpression when choosing to get " + wanted)
	case in.ProjectionExpression == nil && in.Select == "SPECIFIC_ATTRIBUTES":
		return invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case in.Select == "ALL_PROJECTED_ATTRIBUTES" && r.index == nil:
		return invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	case in.Select == "ALL_ATTRIBUTES" && r.index != nil && !r.index.all:
		return invalid(invalidValues + "Select type ALL_ATTRIBUTES is not supported for global secondary index " +
			in.IndexName + " because its projection type is not ALL")
	}
	if unseen := r.unprojected(r.projection); len(unseen) > 0 {
		return invalid(invalidValues + "Global secondary index " + in.IndexName + " does not project [" +
			strings.Join(unseen, ", ") + "]")
	}
	return nil
}

// unprojected lists the attributes of paths that the index of the reading lacks.
func (r *reading) unprojected(paths []expr.Path) []string {
	if r.index == nil || r.index.all {
		return nil
	}
	var unseen []string
	for _, p := range paths {
		if !r.index.has[p.Root()] {
			unseen = append(unseen, p.Root())
		}
	}
	slices.Sort(unseen)
	return slices.Compact(unseen)
}

// page reads until the limit, the size of a page or the end.
func (r *reading) page(operation, report string) listed {
	t := r.table
	t.service.mu.Lock()
	defer t.service.mu.Unlock()
	rows := &t.rows
	if r.index != nil {
		rows = &r.index.rows
	}
	out := listed{}
	items := []attr.Map{}
	size := 0
	visit := func(_ string, stored *row) bool {
		out.ScannedCount++
		size += stored.size
		if r.filter.Holds(stored.item) {
			out.Count++
			if !r.count {
				items = append(items, project(r.projection, stored.item))
			}
		}
		if size >= maxPage || out.ScannedCount == r.limit {
			out.LastEvaluatedKey = t.keys.of(stored.item)
			if r.index != nil {
				for name, v := range r.index.keys.of(stored.item) {
					out.LastEvaluatedKey[name] = v
				}
			}
			return false
		}
		return true
	}
	if r.backward {
		rows.descend(r.from, r.to, visit)
	} else {
		rows.ascend(r.from, r.to, visit)
	}
	if !r.count {
		out.Items = &items
	}
	var c cost
	if units := readUnits(size, r.consistent); r.index != nil {
		c.index(r.index.spec.Name, units)
	} else {
		c.table = units
	}
	r.service.count(t, operation, c.total(), 0)
	out.ConsumedCapacity = c.report(t, report, plainUnits)
	return out
}
