package resultsfhir

import "net/http"

// groupID is the one Group there is for each client: the patients of whom its
// partner has results. Its members are not listed; the export gives them.
const groupID = "patients"

func (s *Service) groupRoutes(closed func(string, func(http.ResponseWriter, *asked) error)) {
	closed("GET /fhir/Group", s.groups)
	closed("GET /fhir/Group/{id}", s.groupRead)
	closed("GET /fhir/Group/{id}/$export", s.groupExport)
	closed("POST /fhir/Group/{id}/$export", s.groupExport)
}

func (c *Client) group() object {
	return object{"resourceType": "Group", "id": groupID, "active": true, "type": "person", "actual": true, "name": "Patients of " + c.Name}
}

func (s *Service) groupRead(w http.ResponseWriter, a *asked) error {
	switch {
	case !a.may("Group", 'r'):
		return forbidden()
	case a.PathValue("id") != groupID:
		return notFound()
	}
	s.answer(w, http.StatusOK, a.client.group())
	return nil
}

func (s *Service) groups(w http.ResponseWriter, a *asked) error {
	if !a.may("Group", 's') {
		return forbidden()
	}
	for name := range a.URL.Query() {
		if name != "_count" { // clients send it with every search
			return invalid("not-supported", "a list of groups takes no parameter but _count; there is one group")
		}
	}
	s.answer(w, http.StatusOK, object{
		"resourceType": "Bundle", "type": "searchset", "total": 1, "link": []object{{"relation": "self", "url": a.base + "/Group"}},
		"entry": []object{{"fullUrl": a.base + "/Group/" + groupID, "resource": a.client.group(), "search": object{"mode": "match"}}},
	})
	return nil
}

// groupExport is Bulk Data Access 2.0, "Endpoint - Group of Patients": what is
// about the group's patients, and what that refers to. That is everything the
// partner has here: no result without a patient is placed (hl7fhir refuses it).
func (s *Service) groupExport(w http.ResponseWriter, a *asked) error {
	if a.PathValue("id") != groupID {
		return notFound()
	}
	return s.exportOf(w, a, "/Group/"+groupID)
}
