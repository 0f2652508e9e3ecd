using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Primitives;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>
/// Finds the name that an endpoint has in Kestrel's configuration. Kestrel hands over only what to bind to, also when
/// it binds again after a reload: the configuration says whose that is.
/// </summary>
/// <remarks>
/// Several names may have one endpoint, <c>127.0.0.1:0</c> for example. Kestrel binds them in the order of the
/// configuration, and after a reload only those that it has stopped: it is the first name that does not listen.
///
/// Kestrel may lag behind: it reads the configuration, waits seconds for connections to end, and binds. If the
/// configuration is reloaded meanwhile, the new one may have the endpoint under no name, or under one that Kestrel has
/// not stopped yet. So older configurations count too, until something is bound by a younger one.
/// </remarks>
internal sealed class EndpointNames : IDisposable
{
    private const int MaxConfigurations = 16;

    private readonly Lock _lock = new();
    private readonly IConfiguration? _configuration;
    private readonly IDisposable? _reloads;

    /// <summary>Names and URLs, the oldest configuration first.</summary>
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

    /// <summary>Takes a name for a listener. <see langword="null"/> when the endpoint has none.</summary>
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

    /// <summary>The listener has stopped, or did not come to be.</summary>
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
        foreach (var section in _configuration?.GetSection(EventLoopTransportConfiguration.KestrelEndPoints).GetChildren() ?? [])
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
    /// Whether the name has a listener there already, or one elsewhere that Kestrel would have stopped before. The
    /// other socket of a URL, as localhost has it, is neither.
    /// </summary>
    private bool Listens(string name, string url, EndPoint endPoint)
        => _listening.Exists(listener => listener.Name == name
            && (listener.EndPoint.Equals(endPoint) || !EndpointOverride.IsUrlOf(url, listener.EndPoint)));
}
