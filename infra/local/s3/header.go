package s3

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strings"

	"loophub/infra/local/dispatch"
)

// refused are headers that would change what a call does, in ways that are not implemented.
var refused = []string{"Range", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "X-Amz-Copy-Source",
	"X-Amz-Tagging", "X-Amz-Acl", "X-Amz-Object-Lock-Mode", "X-Amz-Server-Side-Encryption-Customer-Algorithm",
	"X-Amz-Website-Redirect-Location", "X-Amz-Mfa"}

// known refuses what a call asks for and would not get.
func known(h http.Header) error {
	refuse := func(what string) error {
		return &dispatch.Error{Status: http.StatusNotImplemented, Code: "NotImplemented",
			Message: "the local cloud does not implement " + what}
	}
	for _, name := range refused {
		if h.Get(name) != "" {
			return refuse("the header " + name)
		}
	}
	if v := h.Get("If-None-Match"); v != "" && v != "*" {
		return refuse("If-None-Match with an entity tag")
	}
	if v := h.Get("X-Amz-Server-Side-Encryption"); v != "" && v != "AES256" {
		return refuse("server-side encryption " + v)
	}
	if v := h.Get("X-Amz-Storage-Class"); v != "" && v != "STANDARD" {
		return refuse("storage class " + v)
	}
	return nil
}

// checksums are the algorithms of additional checksums, by the suffix of their header.
var checksums = map[string]func([]byte) []byte{
	"crc32":     func(b []byte) []byte { return binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) },
	"crc32c":    func(b []byte) []byte { return binary.BigEndian.AppendUint32(nil, crc32.Checksum(b, castagnoli)) },
	"crc64nvme": func(b []byte) []byte { return binary.BigEndian.AppendUint64(nil, crc64.Checksum(b, nvme)) },
	"sha1":      func(b []byte) []byte { s := sha1.Sum(b); return s[:] },
	"sha256":    func(b []byte) []byte { s := sha256.Sum256(b); return s[:] },
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// nvme is the reversed polynomial of CRC-64/NVME.
	nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)
)

const checksumPrefix = "x-amz-checksum-"

func isChecksum(lowerName string) bool {
	algorithm, ok := strings.CutPrefix(lowerName, checksumPrefix)
	return ok && checksums[algorithm] != nil
}

// verify holds the body to every checksum that came with it.
func verify(h http.Header, body []byte) error {
	if v := h.Get("Content-Md5"); v != "" {
		sum := md5.Sum(body)
		if v != base64.StdEncoding.EncodeToString(sum[:]) {
			return &dispatch.Error{Status: http.StatusBadRequest, Code: "BadDigest",
				Message: "The Content-MD5 you specified did not match what we received."}
		}
	}
	for name, values := range h {
		algorithm, ok := strings.CutPrefix(strings.ToLower(name), checksumPrefix)
		if !ok || algorithm == "mode" || algorithm == "type" || algorithm == "algorithm" {
			continue
		}
		digest := checksums[algorithm]
		if digest == nil {
			return &dispatch.Error{Status: http.StatusNotImplemented, Code: "NotImplemented",
				Message: "the local cloud does not know the checksum " + algorithm}
		}
		if len(values) != 1 || values[0] != base64.StdEncoding.EncodeToString(digest(body)) {
			return &dispatch.Error{Status: http.StatusBadRequest, Code: "BadDigest",
				Message: "The " + strings.ToUpper(algorithm) + " you specified did not match the calculated checksum."}
		}
	}
	return nil
}

// withoutFraming is the content encoding without the transfer's own part.
func withoutFraming(values []string) string {
	var out []string
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" && part != "aws-chunked" {
				out = append(out, part)
			}
		}
	}
	return strings.Join(out, ",")
}
