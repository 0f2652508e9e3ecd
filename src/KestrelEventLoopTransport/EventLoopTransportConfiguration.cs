using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport;

/// <summary>
/// Reads the options from <c>Kestrel:EventLoopTransport</c>. A key that is no option, or a value that is not of its
/// type, stops the application.
/// </summary>
internal sealed class EventLoopTransportConfiguration(IConfiguration configuration) : IConfigureOptions<EventLoopTransportOptions>
{
    private const string Root = "Kestrel:EventLoopTransport";
    private const string EndPoints = "Endpoints";
    private const string Url = "Url";

    public void Configure(EventLoopTransportOptions options)
    {
        var root = configuration.GetSection(Root);
        Read(root, EndPoints, section => section.Bind(options));
        foreach (var endPoint in root.GetSection(EndPoints).GetChildren())
        {
            ConfigureEndPoint(options, endPoint);
        }
    }

    private void ConfigureEndPoint(EventLoopTransportOptions options, IConfigurationSection section)
    {
        var kestrelKey = $"Kestrel:Endpoints:{section.Key}:{Url}";
        var url = section[Url] ?? configuration[kestrelKey]
            ?? throw Invalid($"{section.Path} configures an endpoint that does not exist: there is neither {section.Path}:{Url} nor {kestrelKey}.");
        try
        {
            options.ConfigureEndPoint(url, section.Path, endPoint => Read(section, Url, copy => copy.Bind(endPoint)));
        }
        catch (FormatException exception)
        {
            throw Invalid($"{section.Path}: {exception.Message}");
        }
    }

    /// <summary>Binds to a copy that knows afterwards which of its values nobody asked for.</summary>
    /// <param name="section">The section that holds the options.</param>
    /// <param name="besides">The one child that is no option.</param>
    /// <param name="bind">Calls the binder; its code is generated for the type at the place of the call.</param>
    private static void Read(IConfigurationSection section, string besides, Action<IConfigurationSection> bind)
    {
        var values = new ObservedValues(section, besides);
        try
        {
            bind(new ConfigurationRoot([values]).GetSection(section.Path));
        }
        catch (InvalidOperationException exception)
        {
            throw Invalid(exception.Message);
        }
        if (values.Unread is [_, ..] keys)
        {
            throw Invalid(keys.Select(static key => $"{key} is not an option of the event-loop transport."));
        }
    }

    private static OptionsValidationException Invalid(params IEnumerable<string> messages)
        => new(Options.DefaultName, typeof(EventLoopTransportOptions), messages);

    /// <summary>A section's values, each of which is marked when it is read.</summary>
    private sealed class ObservedValues : ConfigurationProvider
    {
        private readonly HashSet<string> _read = new(StringComparer.OrdinalIgnoreCase);

        internal ObservedValues(IConfigurationSection section, string besides)
        {
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

        /// <summary>Keys with a value that the binder did not know.</summary>
        internal string[] Unread => [.. Data.Where(pair => !string.IsNullOrEmpty(pair.Value) && !_read.Contains(pair.Key)).Select(static pair => pair.Key).Order()];

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
