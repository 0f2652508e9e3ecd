namespace KestrelEventLoopTransport.Status;

/// <summary>The connections that a client has asked for.</summary>
/// <param name="Total">Number of open connections; at most <see cref="ConnectionSurvey.MaxConnections"/>.</param>
/// <param name="Matches">Number of those that the search finds.</param>
/// <param name="Sort">By what they are chosen.</param>
/// <param name="Items">The first of them.</param>
internal sealed record ConnectionsReport(int Total, int Matches, string Sort, ConnectionReport[] Items);
