using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>
/// Reads the options from <c>Kestrel:EventLoopTransport</c>, if there is a configuration. A key that is no option, or a
/// value that is not of its type, stops the application.
/// </summary>
internal sealed class EventLoopTransportConfiguration(IConfiguration? configuration = null)
    : IConfigureOptions<EventLoopTransportOptions>
{
    /// <summary>The section of Kestrel's endpoints.</summary>
    internal const string KestrelEndPoints = "Kestrel:Endpoints";

    /// <summary>The section of the options that endpoints have of their own.</summary>
    internal const string EndPoints = $"{Root}:{EndpointsKey}";

    internal const string Url = "Url";

    private const string Root = "Kestrel:EventLoopTransport";
    private const string EndpointsKey = "Endpoints";

    public void Configure(EventLoopTransportOptions options)
    {
        if (configuration is not null)
        {
            // First: what changes from here on is read again.
            options.Source = new OptionsSource(configuration);
            Configure(options, configuration);
        }
    }

    private static void Configure(EventLoopTransportOptions options, IConfiguration configuration)
    {
        new ObservedValues(configuration.GetSection(Root), EndpointsKey).Read(section => section.Bind(options));
        var endPoints = configuration.GetSection(EndPoints);
        if (!string.IsNullOrEmpty(endPoints.Value))
        {
            throw Invalid($"{endPoints.Path} is '{endPoints.Value}'; it must be a section with one section for each endpoint.");
        }

        foreach (var endPoint in endPoints.GetChildren())
        {
            ConfigureEndpoint(options, endPoint, configuration);
        }
    }

    private static void ConfigureEndpoint(
        EventLoopTransportOptions options,
        IConfigurationSection section,
        IConfiguration configuration)
    {
        var ownUrl = section[Url];
        var kestrelKey = $"{KestrelEndPoints}:{section.Key}:{Url}";
        var url = ownUrl ?? configuration[kestrelKey]
            ?? throw Invalid($"{section.Path} configures an endpoint that does not exist: there is neither {section.Path}:{Url} nor {kestrelKey}.");

        // A copy: the options stay as they were checked, whatever the configuration becomes.
        var values = new ObservedValues(section, Url);
        try
        {
            options.ConfigureEndpoint(
                url, section.Path, ownUrl is null ? section.Key : null, endPoint => values.Read(copy => copy.Bind(endPoint)));
        }
        catch (FormatException exception)
        {
            throw Invalid($"{section.Path}: {exception.Message}");
        }
    }

    private static OptionsValidationException Invalid(params IEnumerable<string> messages)
        => new(Microsoft.Extensions.Options.Options.DefaultName, typeof(EventLoopTransportOptions), messages);

    /// <summary>A copy of a section's values that knows which of them nobody has asked for.</summary>
    private sealed class ObservedValues : ConfigurationProvider
    {
        private readonly HashSet<string> _read = new(StringComparer.OrdinalIgnoreCase);
        private readonly string _path;

        /// <param name="section">The section that holds the options.</param>
        /// <param name="besides">The one child that is no option.</param>
        internal ObservedValues(IConfigurationSection section, string besides)
        {
            _path = section.Path;
            var left = ConfigurationPath.Combine(section.Path, besides);
            foreach (var (key, value) in section.AsEnumerable())
            {
                if (!key.Equals(left, StringComparison.OrdinalIgnoreCase)
                    && !key.StartsWith(left + ConfigurationPath.KeyDelimiter, StringComparison.OrdinalIgnoreCase))
                {
                    Data[key] = key.EndsWith(":Unix:FileMode", StringComparison.OrdinalIgnoreCase) ? OctalToDecimal(key, value) : value;
                }
            }
        }

        /// <param name="bind">Calls the binder; its code is generated for the type at the place of the call.</param>
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
                // A section without children has the value null.
                var unread = Data.Where(pair => pair.Value is not null && !_read.Contains(pair.Key)).Select(static pair => pair.Key).Order().ToList();
                if (unread.Count != 0)
                {
                    throw Invalid(unread.Select(static key => $"{key} is not an option of the event-loop transport."));
                }
            }
        }

        public override bool TryGet(string key, out string? value)
        {
            _read.Add(key);
            return base.TryGet(key, out value);
        }

        // The binder would take digits for a decimal number; permissions are octal everywhere else.
        private static string? OctalToDecimal(string key, string? mode)
        {
            // The binder trims too.
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
