package conformance

import (
	"maps"
	"slices"
)

// capacities are the reports of an answer, one per table.
func (a answer) capacities() []object {
	switch c := a.Body["ConsumedCapacity"].(type) {
	case object:
		return []object{c}
	case []any:
		var all []object
		for _, one := range c {
			all = append(all, one.(object))
		}
		return all
	}
	return nil
}

// each calls f for the reports of both sides, if they are about the same tables.
func (x *exchange) each(f func(ours, theirs object)) {
	ours, theirs := x.ours.capacities(), x.theirs.capacities()
	if len(ours) != len(theirs) {
		return
	}
	for i := range ours {
		if ours[i]["TableName"] == theirs[i]["TableName"] {
			f(ours[i], theirs[i])
		}
	}
}

func units(o any) float64 {
	one, _ := o.(object)
	u, _ := one["CapacityUnits"].(float64)
	return u
}

// add adds units to a report or to a part of it, in every member that counts them.
func add(o any, more float64) {
	one, _ := o.(object)
	for _, name := range []string{"CapacityUnits", "ReadCapacityUnits", "WriteCapacityUnits"} {
		if u, ok := one[name].(float64); ok {
			one[name] = u + more
		}
	}
}

func (x *exchange) emptyReads() {
	least := func(consistent any) float64 {
		if consistent == true {
			return 1
		}
		return 0.5
	}
	x.each(func(_, theirs object) {
		switch {
		case (x.operation == "Query" || x.operation == "Scan") && x.theirs.Body["ScannedCount"] == 0.0:
			more := least(x.body["ConsistentRead"])
			add(theirs, more)
			part := theirs["Table"]
			if indexes, ok := theirs["GlobalSecondaryIndexes"].(object); ok {
				part = indexes[x.body["IndexName"].(string)]
			}
			add(part, more)
		case x.operation == "BatchGetItem":
			name := theirs["TableName"].(string)
			asked := x.body["RequestItems"].(object)[name].(object)
			found := x.theirs.Body["Responses"].(object)[name].([]any)
			more := float64(len(asked["Keys"].([]any))-len(found)) * least(asked["ConsistentRead"])
			add(theirs, more)
			add(theirs["Table"], more)
		}
	})
}

func (x *exchange) transactionUnits() {
	if x.operation != "TransactWriteItems" {
		return
	}
	x.each(func(ours, theirs object) {
		switch {
		case units(ours) == units(theirs):
			return
		case (x.entriesOf(theirs["TableName"]) > 1 || x.checks(theirs["TableName"])) && units(theirs) <= 4*units(ours):
			clear(theirs)
			maps.Copy(theirs, ours)
			return
		}
		parts := []any{theirs, theirs["Table"]}
		indexes, _ := theirs["GlobalSecondaryIndexes"].(object)
		for _, i := range indexes {
			parts = append(parts, i)
		}
		for _, part := range parts {
			add(part, -units(part)/2)
		}
	})
}

// checks says whether a transaction only checks something of a table.
func (x *exchange) checks(table any) bool {
	return slices.ContainsFunc(x.body["TransactItems"].([]any), func(entry any) bool {
		check, ok := entry.(object)["ConditionCheck"].(object)
		return ok && check["TableName"] == table
	})
}

// entriesOf counts the entries of a transaction that are about a table.
func (x *exchange) entriesOf(table any) int {
	count := 0
	for _, entry := range x.body["TransactItems"].([]any) {
		for _, one := range entry.(object) {
			if one.(object)["TableName"] == table {
				count++
			}
		}
	}
	return count
}

func (x *exchange) readUnits() {
	if x.operation != "TransactGetItems" {
		return
	}
	x.each(func(_, theirs object) {
		if table, ok := theirs["Table"].(object); ok && table["ReadCapacityUnits"] == nil {
			table["ReadCapacityUnits"] = table["CapacityUnits"]
		}
	})
}

func (x *exchange) emptyDeletes() {
	if x.operation != "BatchWriteItem" {
		return
	}
	x.each(func(ours, theirs object) {
		name := theirs["TableName"].(string)
		deletes := 0
		for _, w := range x.body["RequestItems"].(object)[name].([]any) {
			if w.(object)["DeleteRequest"] != nil {
				deletes++
			}
		}
		surplus := units(theirs) - units(ours)
		if theirs["Table"] != nil {
			surplus = units(theirs["Table"]) - units(ours["Table"])
		}
		if surplus > 0 && surplus <= float64(deletes) {
			add(theirs, -surplus)
			add(theirs["Table"], -surplus)
		}
	})
}

// indexUnits takes away what an index with a sort key costs there and not here.
func (x *exchange) indexUnits() {
	x.each(func(ours, theirs object) {
		name, _ := theirs["TableName"].(string)
		index := map[string]string{pairs.table: "parked", numbered.table: "keys"}[name]
		if index == "" {
			return
		}
		indexes, detailed := theirs["GlobalSecondaryIndexes"].(object)
		here, _ := ours["GlobalSecondaryIndexes"].(object)
		surplus := units(indexes[index]) - units(here[index])
		if !detailed {
			surplus = units(theirs) - units(ours)
		}
		if surplus <= 0 {
			return
		}
		add(theirs, -surplus)
		if !detailed {
			return
		}
		if add(indexes[index], -surplus); units(indexes[index]) == 0 {
			delete(indexes, index)
		}
		if len(indexes) == 0 {
			delete(theirs, "GlobalSecondaryIndexes")
		}
	})
}
