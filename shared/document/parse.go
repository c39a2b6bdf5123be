package document

// maxDepth is encoding/json's own limit of nesting.
const maxDepth = 10_000

type parser struct {
	tree
	at int
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// open begins a node; close ends it.
func (p *parser) open(k Kind, start int) int {
	p.nodes = append(p.nodes, node{start: int32(start), kind: k})
	return len(p.nodes) - 1
}

func (p *parser) close(i, end int) bool {
	p.nodes[i].end = int32(end)
	p.nodes[i].next = int32(len(p.nodes))
	return true
}

func (p *parser) value(depth int) bool {
	if p.at >= len(p.text) {
		return false
	}
	switch c := p.text[p.at]; c {
	case '{':
		return depth < maxDepth && p.object(depth+1)
	case '[':
		return depth < maxDepth && p.array(depth+1)
	case '"':
		return p.string()
	case 't':
		return p.word(Bool, "true")
	case 'f':
		return p.word(Bool, "false")
	case 'n':
		return p.word(Null, "null")
	default:
		return p.number()
	}
}

func (p *parser) word(k Kind, w string) bool {
	end := p.at + len(w)
	if end > len(p.text) || string(p.text[p.at:end]) != w {
		return false
	}
	i := p.open(k, p.at)
	p.at = end
	return p.close(i, end)
}

func (p *parser) object(depth int) bool {
	i := p.open(Object, p.at)
	p.at++
	if p.space(); p.take('}') {
		return p.close(i, p.at)
	}
	for {
		if p.at >= len(p.text) || p.text[p.at] != '"' || !p.string() {
			return false
		}
		if p.space(); !p.take(':') {
			return false
		}
		if p.space(); !p.value(depth) {
			return false
		}
		if p.space(); p.take('}') {
			return p.close(i, p.at)
		}
		if !p.take(',') {
			return false
		}
		p.space()
	}
}

func (p *parser) array(depth int) bool {
	i := p.open(Array, p.at)
	p.at++
	if p.space(); p.take(']') {
		return p.close(i, p.at)
	}
	for {
		if !p.value(depth) {
			return false
		}
		if p.space(); p.take(']') {
			return p.close(i, p.at)
		}
		if !p.take(',') {
			return false
		}
		p.space()
	}
}

func (p *parser) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) string() bool {
	p.at++
	i := p.open(String, p.at)
	end, simple, ok := scan(p.text, p.at)
	if !ok {
		return false
	}
	p.nodes[i].simple = simple
	p.at = end + 1
	return p.close(i, end)
}

// scan finds the closing quote of a string that begins at i, behind its opening
// quote.
func scan(b []byte, i int) (end int, simple, ok bool) {
	simple = true
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return i, simple, true
		case c < ' ':
			return 0, false, false
		case c == '\\':
			simple = false
			n := escape(b[i+1:])
			if n == 0 {
				return 0, false, false
			}
			i += 1 + n
		case c >= 0x80:
			simple = false
			i++
		default:
			i++
		}
	}
	return 0, false, false
}

// escape is the length of an escape sequence without its backslash; 0 = none.
func escape(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(b) < 5 {
			return 0
		}
		for _, c := range b[1:5] {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return 0
			}
		}
		return 5
	}
	return 0
}

func (p *parser) number() bool {
	i := p.open(Number, p.at)
	p.take('-')
	switch {
	case p.take('0'):
	case !p.digits():
		return false
	}
	if p.take('.') && !p.digits() {
		return false
	}
	if p.take('e') || p.take('E') {
		if !p.take('+') {
			p.take('-')
		}
		if !p.digits() {
			return false
		}
	}
	return p.close(i, p.at)
}

func (p *parser) digits() bool {
	from := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at > from
}
