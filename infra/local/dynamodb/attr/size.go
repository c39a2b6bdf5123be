package attr

// Size is the stored size of an item in bytes: names and values (developer guide, "DynamoDB item sizes and formats",
// read 2026-11-22).
func (m Map) Size() int {
	size := 0
	for name, v := range m {
		size += len(name) + v.size()
	}
	return size
}

// Overheads of nested values.
const (
	containerBytes = 3
	elementBytes   = 1
)

func (v Value) size() int {
	switch v.Kind {
	case S, B:
		return len(v.Text)
	case N:
		return v.Num.size()
	case Bool, Null:
		return 1
	case M:
		return containerBytes + elementBytes*len(v.Map) + v.Map.Size()
	case L:
		return containerBytes + elementBytes*len(v.List) + v.members()
	}
	return v.members()
}

func (v Value) members() int {
	size := 0
	for _, e := range v.List {
		size += e.size()
	}
	return size
}

// maxDepth is how many lists and maps may lie one within the other.
const maxDepth = 31

// depth counts the lists and maps that lie one within the other.
func (v Value) depth() int {
	deepest := 0
	switch v.Kind {
	case M:
		for _, e := range v.Map {
			deepest = max(deepest, e.depth())
		}
	case L:
		for _, e := range v.List {
			deepest = max(deepest, e.depth())
		}
	default:
		return 0
	}
	return deepest + 1
}

// CheckDepth refuses an item that is nested too deeply.
func (m Map) CheckDepth() error {
	for _, v := range m {
		if v.depth() > maxDepth {
			return invalid("Nesting Levels have exceeded supported limits: " +
				"Attributes in the item have nested levels beyond supported limit")
		}
	}
	return nil
}
