package definition

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/shared/workspace"
)

// registered is the workspace's item in the registry, from which sweep knows which
// workspaces there are: g tells segments apart, so that profiles are looked at anew
// where the segments became others. It is absent where there are none.
func registered(w workspace.Workspace) map[string]types.AttributeValue {
	item := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: registry},
		"sk": &types.AttributeValueMemberS{Value: w.ID},
	}
	if len(w.Segments) > 0 {
		item["g"] = &types.AttributeValueMemberS{Value: segmentsDigest(w)}
	}
	return item
}

func segmentsDigest(w workspace.Workspace) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", w.Zone)
	for _, name := range slices.Sorted(maps.Keys(w.Segments)) {
		fmt.Fprintf(h, "%q%q", name, w.Segments[name].When)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
}
