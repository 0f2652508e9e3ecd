using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>
/// Reads the options from the section <c>Kestrel:EventLoopTransport</c>, if there is a configuration. A key that is not
/// an option, or a value that does not have the option's type, stops the application.
/// </summary>
internal sealed class EventLoopTransportConfiguration(IConfiguration? configuration = null)
    : IConfigureOptions<EventLoopTransportOptions>
{
    /// <summary>The section of Kestrel's endpoints.</summary>
    internal const string KestrelEndpoints = "Kestrel:Endpoints";

    /// <summary>The section with the options of single endpoints.</summary>
    internal const string Endpoints = $"{Root}:{EndpointsKey}";

    internal const string Url = "Url";

    private const string Root = "Kestrel:EventLoopTransport";
    private const string EndpointsKey = "Endpoints";

    public void Configure(EventLoopTransportOptions options)
    {
        if (configuration is not null)
        {
            // Before the options are read: a change from here on makes the transport read them again.
            options.Source = new OptionsSource(configuration);
            Configure(options, configuration);
        }
    }

    private static void Configure(EventLoopTransportOptions options, IConfiguration configuration)
    {
        new ObservedValues(configuration.GetSection(Root), EndpointsKey).Read(section => Bind(section, options));
        var endpoints = configuration.GetSection(Endpoints);
        if (!string.IsNullOrEmpty(endpoints.Value))
        {
            throw Invalid(
                $"{endpoints.Path} is '{endpoints.Value}'; it must be a section with one section per endpoint.");
        }

        foreach (var endpoint in endpoints.GetChildren())
        {
            ConfigureEndpoint(options, endpoint, configuration);
        }
    }

    /// <summary>
    /// Options of endpoints may stand at the top level of the section or in <c>EndpointDefaults</c>, which wins.
    /// </summary>
    private static void Bind(IConfigurationSection section, EventLoopTransportOptions options)
    {
        section.Bind(options);
        section.Bind(options.EndpointDefaults);
        section.GetSection(nameof(options.EndpointDefaults)).Bind(options.EndpointDefaults);
    }

    private static void ConfigureEndpoint(
        EventLoopTransportOptions options,
        IConfigurationSection section,
        IConfiguration configuration)
    {
        var ownUrl = section[Url];
        var kestrelKey = $"{KestrelEndpoints}:{section.Key}:{Url}";
        var url = ownUrl ?? configuration[kestrelKey]
            ?? throw Invalid(
                $"{section.Path} configures an endpoint that has no URL. Set {section.Path}:{Url} or {kestrelKey}.");

        // The values are copied, so that the options do not change after they have been validated.
        var values = new ObservedValues(section, Url);
        try
        {
            options.ConfigureEndpoint(
                url,
                section.Path,
                ownUrl is null ? section.Key : null,
                endpoint => values.Read(copy => copy.Bind(endpoint)));
        }
        catch (FormatException exception)
        {
            throw Invalid($"{section.Path}: {exception.Message}");
        }
    }

    private static OptionsValidationException Invalid(params IEnumerable<string> messages)
        => new(Microsoft.Extensions.Options.Options.DefaultName, typeof(EventLoopTransportOptions), messages);

    /// <summary>A copy of a section's values that records which of them the binder has read.</summary>
    private sealed class ObservedValues : ConfigurationProvider
    {
        private readonly HashSet<string> _read = new(StringComparer.OrdinalIgnoreCase);
        private readonly string _path;

        /// <param name="section">The section that holds the options.</param>
        /// <param name="excluded">The key of the child that is not an option.</param>
        internal ObservedValues(IConfigurationSection section, string excluded)
        {
            _path = section.Path;
            var excludedKey = ConfigurationPath.Combine(section.Path, excluded);
            var excludedPath = excludedKey + ConfigurationPath.KeyDelimiter;
            foreach (var (key, value) in section.AsEnumerable())
            {
                if (!key.Equals(excludedKey, StringComparison.OrdinalIgnoreCase)
                    && !key.StartsWith(excludedPath, StringComparison.OrdinalIgnoreCase))
                {
                    Data[key] = key.EndsWith(":Unix:FileMode", StringComparison.OrdinalIgnoreCase)
                        ? OctalToDecimal(key, value)
                        : value;
                }
            }
        }

        /// <param name="bind">
        /// Calls the binder. A delegate, because the binder's code is generated where the type is known.
        /// </param>
        internal void Read(Action<IConfigurationSection> bind)
        {
            lock (_read)
            {
                _read.Clear();
                using var root = new ConfigurationRoot([this]);
                try
                {
                    bind(root.GetSection(_path));
                }
                catch (InvalidOperationException exception)
                {
                    throw Invalid(exception.Message);
                }

                // A section itself has the value null.
                var unread = Data
                    .Where(pair => pair.Value is not null && !_read.Contains(pair.Key))
                    .Select(static pair => pair.Key)
                    .Order()
                    .ToList();
                if (unread.Count != 0)
                {
                    throw Invalid(unread.Select(
                        static key => $"{key} is not an option of the event-loop transport."));
                }
            }
        }

        public override bool TryGet(string key, out string? value)
        {
            _read.Add(key);
            return base.TryGet(key, out value);
        }

        // The binder reads digits as a decimal number, but permissions are octal everywhere else.
        private static string? OctalToDecimal(string key, string? mode)
        {
            // The binder trims white space as well.
            mode = mode?.Trim();
            if (mode is null || !mode.All(char.IsAsciiDigit) || mode.Length == 0)
            {
                return mode;
            }

            return mode.Length <= 5 && !mode.AsSpan().ContainsAny('8', '9')
                ? Convert.ToInt32(mode, 8).ToString(System.Globalization.CultureInfo.InvariantCulture)
                : throw Invalid($"{key} is '{mode}'; it must be from 000 to 777 (octal).");
        }
    }
}
