package document

// Peek finds the text of a string or number that stands at the top level of an
// object under name, reading no further than needed: ids stand first in most
// bodies. It is for naming what is not yet understood: a text that is no valid
// JSON may give a value too, and of a repeated name the first counts. A string
// with escapes is given as it stands, escapes included.
func Peek(b []byte, name string) (text string, ok bool) {
	p := parser{tree: tree{text: b}}
	if p.space(); !p.take('{') {
		return "", false
	}
	for {
		p.space()
		if !p.take('"') {
			return "", false
		}
		end, _, ok := scan(b, p.at)
		if !ok {
			return "", false
		}
		key := b[p.at:end]
		p.at = end + 1
		if p.space(); !p.take(':') {
			return "", false
		}
		p.space()
		from := p.at
		if !p.skip() {
			return "", false
		}
		if string(key) == name {
			return scalar(b[from:p.at])
		}
		if p.space(); !p.take(',') {
			return "", false
		}
	}
}

func scalar(b []byte) (string, bool) {
	switch {
	case len(b) >= 2 && b[0] == '"':
		return string(b[1 : len(b)-1]), true
	case len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9'):
		return string(b), true
	}
	return "", false
}

// skip passes over one value without looking into it, in a single loop
// whatever its nesting.
func (p *parser) skip() bool {
	from, depth := p.at, 0
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case '"':
			end, _, ok := scan(p.text, p.at+1)
			if !ok {
				return false
			}
			p.at = end + 1
		case '{', '[':
			depth++
			p.at++
		case '}', ']':
			if depth == 0 {
				return p.at > from
			}
			depth--
			p.at++
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return p.at > from
			}
			p.at++
			continue
		default:
			p.at++
			continue
		}
		if depth == 0 {
			return true
		}
	}
	return p.at > from
}
