package resultsui

import "github.com/labwarden/labwarden/internal/platform/web"

// Deleted when the parts of branch today are here.
func todayRoutes(Deps) []web.Route   { return nil }
func partnerRoutes(Deps) []web.Route { return nil }
func alarmRoutes(Deps) []web.Route   { return nil }
func callRoutes(Deps) []web.Route    { return nil }
func stopRoutes(Deps) []web.Route    { return nil }
func routeRoutes(Deps) []web.Route   { return nil }
