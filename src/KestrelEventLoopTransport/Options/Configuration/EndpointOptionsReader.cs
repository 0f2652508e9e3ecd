using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>
/// Reads the options of an endpoint when it is bound. If the configuration has been reloaded, all options are read
/// again, those set by code included.
/// </summary>
/// <remarks>
/// If the new options are not valid, all of them are rejected. By then Kestrel has stopped the endpoints that it binds
/// again, and it does not retry a failed bind. So the endpoint gets the last valid options of its name, and an error is
/// logged. If the endpoint's section is new, there are no valid options for it, and it is not bound.
/// </remarks>
internal sealed class EndpointOptionsReader
{
    private readonly Lock _lock = new();
    private readonly HashSet<string> _used = [];
    private readonly IOptionsFactory<EventLoopTransportOptions>? _factory;
    private readonly ILogger _logger;
    private EventLoopTransportOptions _valid;

    /// <param name="options">The options at the start.</param>
    /// <param name="factory">Reads the options again; <see langword="null"/> if they never change.</param>
    /// <param name="logger">Logs reloaded options that are not valid.</param>
    internal EndpointOptionsReader(
        EventLoopTransportOptions options,
        IOptionsFactory<EventLoopTransportOptions>? factory,
        ILogger logger)
    {
        _valid = options;
        _factory = factory;
        _logger = logger;
    }

    /// <summary>Returns the options of an endpoint. The caller owns the copy.</summary>
    /// <param name="endPoint">The endpoint to bind to.</param>
    /// <param name="name">Its name in Kestrel's configuration, if it has one.</param>
    /// <exception cref="OptionsValidationException">
    /// The reloaded options are not valid, and the endpoint's section is new.
    /// </exception>
    internal EndpointOptions Read(EndPoint endPoint, string? name)
    {
        lock (_lock)
        {
            if (_factory is not null && _valid.Source is { HasChanged: true } source)
            {
                ReadAgain(_factory, source, endPoint, name);
            }

            _used.UnionWith(NamesFor(endPoint, name));
            return _valid.For(endPoint, name);
        }
    }

    /// <summary>Returns the names of endpoints that have options of their own and have not been bound.</summary>
    internal IReadOnlyList<string> FindUnused()
    {
        lock (_lock)
        {
            return [.. _valid.GetOverrides().Select(static own => own.Name).Where(name => !_used.Contains(name))];
        }
    }

    private void ReadAgain(
        IOptionsFactory<EventLoopTransportOptions> factory,
        OptionsSource source,
        EndPoint endPoint,
        string? name)
    {
        try
        {
            _valid = factory.Create(Microsoft.Extensions.Options.Options.DefaultName);
        }
        catch (Exception exception)
        {
            var known = NamesFor(endPoint, name);
            if (source.FindSections(endPoint, name).Except(known, StringComparer.OrdinalIgnoreCase).Any())
            {
                throw;
            }

            OptionsLog.ReloadRefused(_logger, endPoint, exception.Message);
        }
    }

    private IEnumerable<string> NamesFor(EndPoint endPoint, string? name)
        => _valid.GetOverrides()
            .Where(configured => configured.AppliesTo(endPoint, name))
            .Select(static configured => configured.Name);
}
