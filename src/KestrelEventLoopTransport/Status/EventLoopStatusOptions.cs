namespace KestrelEventLoopTransport;

/// <summary>
/// Options of the status page. Set them with
/// <see cref="Microsoft.AspNetCore.Builder.EventLoopStatusEndpointRouteBuilderExtensions.MapEventLoopStatus(Microsoft.AspNetCore.Routing.IEndpointRouteBuilder, string, Action{EventLoopStatusOptions})"/>.
/// </summary>
public sealed class EventLoopStatusOptions
{
    /// <summary>
    /// Whether the page has a button that aborts a connection. Default: <see langword="false"/>. Each abort is logged.
    /// </summary>
    public bool AllowAbort { get; set; }
}
