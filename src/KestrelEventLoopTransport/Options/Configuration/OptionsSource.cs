using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Primitives;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>The configuration that options were read from, and whether it has been reloaded since.</summary>
internal sealed class OptionsSource(IConfiguration configuration)
{
    private readonly IChangeToken _reload = configuration.GetReloadToken();

    internal bool HasChanged => _reload.HasChanged;

    /// <summary>Paths of the sections that the current configuration has for an endpoint.</summary>
    internal IEnumerable<string> FindSections(EndPoint endPoint, string? name)
        => configuration.GetSection(EventLoopTransportConfiguration.Endpoints).GetChildren()
            .Where(section => section[EventLoopTransportConfiguration.Url] is { } url
                ? EndpointOverride.IsUrlOf(url, endPoint)
                : section.Key.Equals(name, StringComparison.OrdinalIgnoreCase))
            .Select(static section => section.Path);
}
