using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Primitives;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>
/// Finds the name of an endpoint in Kestrel's configuration. Kestrel tells a transport only the address to bind to, so
/// the name is looked up by the address.
/// </summary>
/// <remarks>
/// <para>
/// Several names may have the same address, <c>127.0.0.1:0</c> for example. Kestrel binds them in the order of the
/// configuration. After a reload it binds only those that it has stopped. So the name is the first one of that address
/// that is not listening.
/// </para>
/// <para>
/// Kestrel may be late: after it has read the configuration it waits seconds for connections to end, and only then
/// binds. If the configuration is reloaded meanwhile, the new one may lack the address, or have it under a name that
/// Kestrel has not stopped yet. So older configurations stay in use until an endpoint of a newer one is bound.
/// </para>
/// </remarks>
internal sealed class EndpointNames : IDisposable
{
    private const int MaxConfigurations = 16;

    private readonly Lock _lock = new();
    private readonly IConfiguration? _configuration;
    private readonly IDisposable? _reloads;

    /// <summary>The names and URLs of each configuration, the oldest first.</summary>
    private readonly List<(string Name, string Url)[]> _configurations = [];

    private readonly List<(string Name, EndPoint EndPoint)> _listening = [];

    internal EndpointNames(IConfiguration? configuration)
    {
        _configuration = configuration;
        if (configuration is not null)
        {
            _reloads = ChangeToken.OnChange(configuration.GetReloadToken, Remember);
        }
    }

    public void Dispose() => _reloads?.Dispose();

    /// <summary>
    /// Takes the name of an endpoint for a listener. Returns <see langword="null"/> if the endpoint has no name.
    /// </summary>
    internal string? Take(EndPoint endPoint)
    {
        lock (_lock)
        {
            Remember();
            var name = Find(endPoint);
            if (name is not null)
            {
                _listening.Add((name, endPoint));
            }

            return name;
        }
    }

    /// <summary>Gives the name back when the listener has stopped or could not be created.</summary>
    internal void Return(string? name, EndPoint endPoint)
    {
        if (name is not null)
        {
            lock (_lock)
            {
                _listening.Remove((name, endPoint));
            }
        }
    }

    private void Remember()
    {
        lock (_lock)
        {
            (string Name, string Url)[] current = [.. ReadUrls()];
            if (_configurations.Count != 0 && _configurations[^1].SequenceEqual(current))
            {
                return;
            }

            _configurations.Add(current);
            if (_configurations.Count > MaxConfigurations)
            {
                _configurations.RemoveAt(0);
            }
        }
    }

    private IEnumerable<(string Name, string Url)> ReadUrls()
    {
        var endpoints = _configuration?.GetSection(EventLoopTransportConfiguration.KestrelEndpoints);
        foreach (var section in endpoints?.GetChildren() ?? [])
        {
            if (section[EventLoopTransportConfiguration.Url] is { } url)
            {
                yield return (section.Key, url);
            }
        }
    }

    private string? Find(EndPoint endPoint)
    {
        for (var i = _configurations.Count - 1; i >= 0; i--)
        {
            foreach (var (name, url) in _configurations[i])
            {
                if (EndpointOverride.IsUrlOf(url, endPoint) && !Listens(name, url, endPoint))
                {
                    _configurations.RemoveRange(0, i);
                    return name;
                }
            }
        }

        return _configurations[^1].FirstOrDefault(endpoint => EndpointOverride.IsUrlOf(endpoint.Url, endPoint)).Name;
    }

    /// <summary>
    /// Whether the name has a listener on this endpoint, or one on an endpoint that does not belong to the URL, which
    /// Kestrel would have stopped first. A listener on another endpoint of the same URL does not count: localhost has
    /// two.
    /// </summary>
    private bool Listens(string name, string url, EndPoint endPoint)
        => _listening.Exists(listener => listener.Name == name
            && (listener.EndPoint.Equals(endPoint) || !EndpointOverride.IsUrlOf(url, listener.EndPoint)));
}
