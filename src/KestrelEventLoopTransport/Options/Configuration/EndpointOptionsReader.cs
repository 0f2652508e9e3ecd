using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>
/// Reads the options of an endpoint when it is bound. If the configuration has been reloaded since, the options are
/// read again, code included.
/// </summary>
/// <remarks>
/// Options that are not valid are refused as a whole, as at the start. By then Kestrel has stopped what it binds again,
/// and it does not try twice: so an endpoint gets the options of its name that were valid last, and the log says so. An
/// endpoint whose section of options is new is not bound: there is nothing valid to take for it.
/// </remarks>
internal sealed class EndpointOptionsReader
{
    private readonly Lock _lock = new();
    private readonly HashSet<string> _used = [];
    private readonly IOptionsFactory<EventLoopTransportOptions>? _factory;
    private readonly ILogger _logger;
    private EventLoopTransportOptions _valid;

    /// <param name="options">The options at the start.</param>
    /// <param name="factory">Reads them again; <see langword="null"/> for options that stay.</param>
    /// <param name="logger">Gets what is not valid.</param>
    internal EndpointOptionsReader(
        EventLoopTransportOptions options,
        IOptionsFactory<EventLoopTransportOptions>? factory,
        ILogger logger)
    {
        _valid = options;
        _factory = factory;
        _logger = logger;
    }

    /// <summary>The options of an endpoint: a copy that is the caller's.</summary>
    /// <param name="endPoint">What is bound to.</param>
    /// <param name="name">The endpoint's name in Kestrel's configuration, if it has one.</param>
    /// <exception cref="OptionsValidationException">
    /// The endpoint's section of options is new, and not valid.
    /// </exception>
    internal EndpointOptions Read(EndPoint endPoint, string? name)
    {
        lock (_lock)
        {
            if (_factory is not null && _valid.Source is { HasChanged: true } source)
            {
                ReadAgain(_factory, source, endPoint, name);
            }

            foreach (var configured in _valid.GetOverrides())
            {
                if (configured.AppliesTo(endPoint, name))
                {
                    _used.Add(configured.Name);
                }
            }

            return _valid.For(endPoint, name);
        }
    }

    /// <summary>Names of endpoints that have options of their own and have not been bound.</summary>
    internal IReadOnlyList<string> FindUnused()
    {
        lock (_lock)
        {
            return [.. _valid.GetOverrides().Select(static configured => configured.Name).Where(name => !_used.Contains(name))];
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
            var known = _valid.GetOverrides()
                .Where(configured => configured.AppliesTo(endPoint, name))
                .Select(static configured => configured.Name);
            if (source.FindSections(endPoint, name).Except(known, StringComparer.OrdinalIgnoreCase).Any())
            {
                throw;
            }

            OptionsLog.ReloadRefused(_logger, endPoint, exception.Message);
        }
    }
}
