using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>A copy of a section's values that records which of them the binder has read.</summary>
internal sealed class ObservedValues : ConfigurationProvider
{
    private readonly HashSet<string> _read = new(StringComparer.OrdinalIgnoreCase);
    private readonly string _path;

    /// <param name="section">The section that holds the options.</param>
    /// <param name="excluded">The keys of the children that are not options.</param>
    internal ObservedValues(IConfigurationSection section, params string[] excluded)
    {
        _path = section.Path;
        foreach (var (key, value) in section.AsEnumerable())
        {
            if (!Array.Exists(excluded, child => IsOrIsIn(key, ConfigurationPath.Combine(section.Path, child))))
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

    private static bool IsOrIsIn(string key, string section)
        => key.StartsWith(section, StringComparison.OrdinalIgnoreCase)
            && key.AsSpan(section.Length) is "" or [':', ..];

    private static OptionsValidationException Invalid(params IEnumerable<string> messages)
        => new(Microsoft.Extensions.Options.Options.DefaultName, typeof(EventLoopTransportOptions), messages);

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
