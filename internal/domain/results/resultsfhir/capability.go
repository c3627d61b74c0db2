package resultsfhir

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// object keeps the CapabilityStatement readable here; its members are written in
// the order of their names.
type object map[string]any

// made is the date of what the statement describes: change it with the table.
const made = "2026-11-22"

func (s *Service) metadata(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("Accept") != "" && !acceptsJSON(r.Header.Values("Accept")) {
		return &refusal{status: http.StatusNotAcceptable, code: "not-supported", text: "only JSON is served: application/fhir+json"}
	}
	set := s.settings.Load()
	s.answer(w, http.StatusOK, capability(set, s.version))
	return nil
}

// capability tells what the tables of this package make the server do.
func capability(set *Settings, version string) object {
	var resources []object
	for k := kind(1); k < kinds; k++ {
		res := object{
			"type":        k.String(),
			"versioning":  "versioned",
			"readHistory": true,
			"interaction": interactions("read", "vread", "history-instance", "search-type"),
			"searchParam": searchParams(k),
		}
		if inc := searchIncludes(k); len(inc) > 0 {
			res["searchInclude"] = inc
		}
		resources = append(resources, res)
	}
	resources = append(resources, object{
		"type": "Subscription", "interaction": interactions("create", "read", "update", "delete", "search-type"), "versioning": "no-version",
		"documentation": "rest-hook only, without a payload; endpoints are those the laboratory has listed for the client.",
	})
	resources = append(resources, object{
		"type": "Group", "interaction": interactions("read", "search-type"), "versioning": "no-version",
		"documentation": "One Group, " + groupID + ": the patients of whom the client's partner has results. Its members are not listed; its export gives them. A list takes no parameter but _count.",
		"operation":     []object{{"name": "export", "definition": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export"}},
	})
	return object{
		"resourceType": "CapabilityStatement", "status": "active", "date": made, "kind": "instance", "fhirVersion": "4.0.1",
		"format":         []string{"application/fhir+json", "json"},
		"publisher":      orUnknown(set.Lab),
		"software":       object{"name": "Labwarden", "version": orUnknown(version)},
		"implementation": object{"description": "Laboratory results for partners who pull them", "url": set.Base},
		"rest": []object{{
			"mode":          "server",
			"documentation": "A client sees what was delivered to its own partner and nothing else. Unknown search parameters are refused, unless Prefer: handling=lenient is sent. Results stand newest first. A page may hold fewer than _count; go on while there is a next link. Times without a zone are read as UTC. No total is given.",
			"security": object{
				"cors": false,
				"service": []object{{"coding": []object{{
					"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR", "display": "SMART-on-FHIR",
				}}}},
				"extension": []object{{
					"url":       "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
					"extension": []object{{"url": "token", "valueUri": set.Base + "/token"}},
				}},
				"description": "SMART Backend Services: client_credentials with a signed assertion (RS384 or ES384).",
			},
			"resource":  resources,
			"operation": []object{{"name": "export", "definition": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"}},
		}},
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func interactions(codes ...string) []object {
	var out []object
	for _, c := range codes {
		out = append(out, object{"code": c})
	}
	return out
}

var formTypes = map[form]string{
	formToken: "token", formCodeTied: "token", formID: "token", formReference: "reference", formChainID: "token", formDate: "date", formInstant: "date",
}

// searchParams are those of the table that are conditions.
func searchParams(k kind) []object {
	var out []object
	for _, p := range params {
		if !p.of(k) || p.form == formSpecial {
			continue
		}
		o := object{"name": p.name, "type": formTypes[p.form], "documentation": p.doc}
		if p.definition != "" {
			o["definition"] = p.definition
		}
		out = append(out, o)
	}
	return out
}

func searchIncludes(k kind) []string {
	var out []string
	for _, x := range includes {
		if x.of == k {
			out = append(out, k.String()+":"+x.name)
		}
	}
	slices.Sort(out)
	return out
}

// smart is the discovery document of SMART App Launch 2.0, Backend Services.
func (s *Service) smart(w http.ResponseWriter, _ *http.Request) error {
	base := s.settings.Load().Base
	b, err := json.Marshal(object{
		"token_endpoint":                                   base + "/token",
		"token_endpoint_auth_methods_supported":            []string{"private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS384", "ES384"},
		"grant_types_supported":                            []string{"client_credentials"},
		"scopes_supported":                                 supportedScopes(),
		"capabilities":                                     []string{"client-confidential-asymmetric", "permission-v1", "permission-v2"},
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
	return nil
}

func supportedScopes() []string {
	out := []string{"system/*.rs", "system/*.read"}
	for k := kind(1); k < kinds; k++ {
		out = append(out, "system/"+k.String()+".rs")
	}
	return append(out, "system/Group.rs", "system/Subscription.cruds")
}

// operationLimit is how long a request of ours to a partner may take.
const operationLimit = 20 * time.Second
