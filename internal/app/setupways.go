package app

import (
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// missingDoor says what this machine's part of the configuration lacks for a way
// to partners; a form cannot write it, because it is read at the start.
func missingDoor(c *config.Config, kind string) string {
	if c == nil {
		return ""
	}
	front := c.Node.Front
	const then = " to this machine's configuration file and restart it: docs/use/"
	switch {
	case kind == setup.WaySFTPBox && (front == nil || front.SFTP == nil):
		return "No box is reached by SFTP here: add node.front with sftp" + then + "boxes.md."
	case kind == setup.WayFTPSBox && (front == nil || front.FTPS == nil):
		return "No box is reached by FTPS here: add node.front with ftps" + then + "ftps.md."
	case kind == setup.WayFHIRPull && c.Node.FHIR == nil:
		return "No FHIR server is open here: add node.fhir" + then + "fhir-server.md."
	case kind == setup.WayPortal && c.Node.Portal == nil:
		return "No portal is open here: add node.portal" + then + "portal-for-the-lab.md."
	}
	return ""
}
